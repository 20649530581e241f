//! What a core asks of the images' keeper: to write, to forget, to load.
//!
//! Stands between the core and the thread that waits for the device. Source: own reasoning.

use bytes::Bytes;

use crate::document::Image;
use crate::journal::{Head, ImageName};

/// Something to be written; [`Core::handle_imaged`](super::Core::handle_imaged) when that is durable.
#[derive(Debug)]
pub struct ImageTask {
    /// Names the task to the core.
    pub id: u64,
    /// What is to be done.
    pub deed: ImageDeed,
}

/// What is to be done with an image.
#[derive(Debug)]
pub enum ImageDeed {
    /// Store the parts of an image, then put its head in force; trunk and parts of the head are the image's to give.
    Put(Box<Head>, Box<Image>),
    /// Put in force that an object ended, and forget its parts.
    End(Box<Head>),
    /// Forget an image and its head.
    Remove(ImageName),
    /// Store what the shard must know besides.
    State(Bytes),
}
