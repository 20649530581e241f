//! The sizes a document works with; tests draw them at random so that small values reach every structure.

/// Sizes in bytes; the defaults are the measured ones.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Tuning {
    /// A map's page is cut beyond twice this. 8 KiB: a point edit moves about 1 µs of bytes.
    pub map_page_bytes: usize,
    /// A list's page is cut beyond twice this. Half a map's, because an index is found by a scan.
    pub list_page_bytes: usize,
    /// A container inside a value stands apart beyond this.
    pub inline_bytes: usize,
    /// Stamps may take this before the horizon moves, or a quarter of the object if that is more.
    pub stamp_bytes: usize,
    /// What changed may stand behind the pages of an image up to this, or a quarter of the object if that is more.
    pub tail_bytes: usize,
    /// What a restore does wrong with the last tail, to see that somebody notices.
    #[cfg(any(test, feature = "mutants"))]
    pub tail_fault: Option<TailFault>,
}

/// How many times the last tail of an image is applied instead of once.
#[cfg(any(test, feature = "mutants"))]
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TailFault {
    /// Not at all.
    Skipped,
    /// Twice.
    Doubled,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            map_page_bytes: 8 * 1024,
            list_page_bytes: 4 * 1024,
            inline_bytes: 4 * 1024,
            stamp_bytes: crate::limits::STAMP_BYTES_MIN,
            tail_bytes: 256,
            #[cfg(any(test, feature = "mutants"))]
            tail_fault: None,
        }
    }
}
