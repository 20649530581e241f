//! Reads single fields of the root struct, without the rest: what an index holds.
//!
//! Strings and integers always stand inline, so a field is a walk over the tags of the root's body and nothing else.
//! Source: `docs/wire.md` §3.

use super::{Document, ROOT_KEY, root_kinds};
use crate::coding::{DecodeError, Reader};
use crate::delta::FieldsReader;
use crate::ids::FieldId;
use crate::schema::Kind;

impl Document {
    /// What the root's fields `wanted` hold as encoded, a sized value without its length; `None` for one that was never
    /// written. For strings and integers only. Costs a look at each tag of the root's body.
    #[must_use]
    pub fn root_fields(&self, wanted: &[FieldId]) -> Vec<Option<&[u8]>> {
        let mut values = vec![None; wanted.len()];
        // Bytes that do not read are those of a field that nobody checked; it holds nothing then.
        let _unread = self.read_fields(wanted, &mut values);
        values
    }

    fn read_fields<'d>(&'d self, wanted: &[FieldId], values: &mut [Option<&'d [u8]>]) -> Result<(), DecodeError> {
        let kind = Kind::Type(self.schema.root);
        let Some((entry, _)) = self.root.find(root_kinds(&kind), ROOT_KEY)? else { return Ok(()) };
        let mut fields = FieldsReader::new(Reader::new(entry.value).frame()?);
        while let Some(field) = fields.next()? {
            if let Ok(at) = wanted.binary_search(&field.id)
                && let Some(value) = values.get_mut(at)
            {
                *value = field.content()?;
            }
        }
        Ok(())
    }
}
