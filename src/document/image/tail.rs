//! Tails: what changed since the pages of an image were written, as long as that is little, as small parts behind them.
//!
//! ```text
//!  pages of version 7 ── tail: 7 to 9 ── tail: 9 to 12 │  an image of version 12 that wrote a few bytes
//! ```
//! Changes that lie far apart would each have their page written anew. A tail is one delta, from the image before to this
//! one; when tails grow long or many, the pages that changed since are written, and the tails go. Objects that were created
//! together and change alike would all come to that together; so the pages that are written first have fewer tails, each
//! object's another number, and from then on they take turns. Invariants: a tail stands behind an image that its document
//! has seen, of the same schema; what the stamps do not say any more is written in pages. Source: own reasoning; the delta
//! pages of log-structured stores (Levandoski et al., LLAMA, 2013); the numbers by Fibonacci hashing (Knuth, TAOCP 3, 6.4).

use super::{Image, encode};
use crate::coding::Writer;
use crate::document::{Budget, Document};
use crate::limits::IMAGE_TAILS_MAX;

/// The share of an object that its tails may take before its pages are written: what that costs is then at most so many
/// times what changed, and a load has that much more to read.
const TAILS_SHARE: usize = 4;

/// How many tails the pages of an object may have that are written first: 1 to [`IMAGE_TAILS_MAX`], as evenly as can be
/// for objects whose numbers follow each other.
#[must_use]
pub fn first_tails(object: u64) -> usize {
    let mixed = object.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let below = (mixed * IMAGE_TAILS_MAX as u64) >> 32;
    1 + usize::try_from(below).unwrap_or_default()
}

impl Document {
    /// Takes an image as [`Document::image`] does, but has what little changed stand behind the pages of the image before,
    /// if to find it costs no more than the budget has left. Pages that are written first have at most `first_tails`
    /// tails, and that share of the bytes.
    pub fn image_within(&mut self, budget: &mut Budget, first_tails: usize) -> Image {
        self.image_behind(budget, first_tails).unwrap_or_else(|| self.image())
    }

    fn image_behind(&mut self, budget: &mut Budget, first_tails: usize) -> Option<Image> {
        let tail_bytes_max = self.tuning.tail_bytes.max(self.encoded_bytes() / TAILS_SHARE);
        let tails_max = if self.imaging.has_first_pages() { first_tails } else { IMAGE_TAILS_MAX };
        let (base, room) = self.imaging.room_behind(tail_bytes_max, tails_max.min(IMAGE_TAILS_MAX))?;
        let mut w = Writer::new();
        self.since_within(base, budget, &mut w).ok()??;
        if w.len() > room {
            return None;
        }
        let marked = self.imaging.stand_behind(self.version, w.len());
        let tail = marked.fresh.first().map(|part| (*part, encode::tail_part(*part, w.as_slice())));
        Some(Image { tail, ..Image::new(&self.schema, marked) })
    }
}
