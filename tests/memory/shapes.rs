//! The shapes whose memory is promised, generated, and random commits on them.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use nam::coding::Writer;
use nam::delta::WireType;
use nam::document::{Document, Scope};
use nam::ids::{FieldId, Version};
use nam::schema::{FieldDef, KeyKind, Kind, Policy, Schema, StructDef, TypeDef, TypeIndex};

/// Bytes of one delta while a shape is loaded.
const SEGMENT_BYTES: usize = 200 * 1024;

/// What one shape is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// 39,544 entries of nine fields, about 390 B each: the size of the real catalogue.
    Catalogue,
    /// 100,000 entries of about 50 B.
    Entries,
    /// `map<u64, f64>` of 100,000.
    Numbers,
    /// `set<u64>` of 100,000.
    Set,
    /// `list<f64>` of 100,000.
    List,
}

fn field(id: u32, kind: Kind) -> FieldDef {
    let (name, aliases, policy) = (format!("f{id}"), Vec::new(), Policy::Retry);
    FieldDef { id: FieldId(id), name, aliases, kind, policy, index: false, redact: false, optional: true }
}

fn struct_def(fields: Vec<FieldDef>) -> TypeDef {
    TypeDef::Struct(StructDef { name: "S".to_owned(), fields, reserved: Vec::new() })
}

/// A generator of numbers below `n`.
pub(crate) fn draw(state: &mut u64, n: usize) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n
}

impl Shape {
    pub(crate) fn len(self) -> usize {
        if self == Self::Catalogue { 39_544 } else { 100_000 }
    }

    pub(crate) fn schema(self) -> Arc<Schema> {
        let item = Box::new(Kind::Type(TypeIndex(1)));
        let container = match self {
            Self::Catalogue => Kind::Map(KeyKind::String, item),
            Self::Entries => Kind::Map(KeyKind::Uint, item),
            Self::Numbers => Kind::Map(KeyKind::Uint, Box::new(Kind::F64)),
            Self::Set => Kind::Set(KeyKind::Uint),
            Self::List => Kind::List(Box::new(Kind::F64)),
        };
        let mut fields = vec![field(1, Kind::F64)];
        match self {
            Self::Catalogue => {
                fields.extend((2..9).map(|id| field(id, Kind::String)));
                fields.push(field(9, Kind::Uint(64)));
            }
            _ => fields.push(field(2, Kind::String)),
        }
        let types = vec![struct_def(vec![field(1, Kind::F64), field(2, container)]), struct_def(fields)];
        Arc::new(Schema { class: "shape".to_owned(), types, root: TypeIndex(0) })
    }

    fn key(self, at: usize) -> Vec<u8> {
        let mut w = Writer::new();
        match self {
            Self::Catalogue => w.sized(format!("{:05}.XNAS", at * 7 % 99_991).as_bytes()),
            _ => w.varint(at as u64),
        }
        w.into_bytes()
    }

    fn value(self, at: usize, w: &mut Writer) {
        let texts: &[usize] = match self {
            Self::Catalogue => &[24, 12, 60, 3, 40, 150, 70],
            Self::Entries => &[36],
            Self::Numbers | Self::List => return w.raw(&(at as f64).to_le_bytes()),
            Self::Set => return,
        };
        w.framed(|w| {
            w.varint(1 << 3 | WireType::Eight as u64);
            w.raw(&(at as f64).to_le_bytes());
            for (id, len) in (2_u64..).zip(texts) {
                w.varint(id << 3 | WireType::Sized as u64);
                w.sized(&vec![b'a' + (at % 26) as u8; *len]);
            }
            if self == Self::Catalogue {
                w.varint(9 << 3);
                w.varint(at as u64);
            }
        });
    }

    /// The deltas that create the object.
    pub(crate) fn creation(self) -> Vec<Vec<u8>> {
        let mut entries = BTreeMap::new();
        for at in 0..self.len() {
            let mut w = Writer::new();
            if self != Self::List {
                w.byte(1);
            }
            self.value(at, &mut w);
            let key = if self == Self::List { (at as u32).to_be_bytes().to_vec() } else { self.key(at) };
            entries.insert(key, w.into_bytes());
        }
        let (mut deltas, mut body, mut count, mut sent) = (Vec::new(), Writer::new(), 0_usize, 0_usize);
        let mut end = |body: &mut Writer, count: &mut usize| {
            let mut w = Writer::new();
            w.varint(2 << 3 | WireType::EditRest as u64);
            if self == Self::List {
                w.varint(if sent == 0 { 2 } else { 3 });
                if sent > 0 {
                    w.varint(0);
                    w.length(sent);
                }
                w.length(*count << 1 | 1);
                sent += *count;
            }
            w.raw(body.as_slice());
            deltas.push(w.into_bytes());
            body.truncate(0);
            *count = 0;
        };
        for (key, value) in &entries {
            if self != Self::List {
                body.raw(key);
            }
            body.raw(value);
            count += 1;
            if body.len() > SEGMENT_BYTES {
                end(&mut body, &mut count);
            }
        }
        end(&mut body, &mut count);
        deltas
    }

    /// A random commit on it.
    pub(crate) fn commit(self, state: &mut u64, out: &mut Writer) {
        let at = draw(state, self.len());
        let number = (draw(state, 1 << 20) as f64).to_le_bytes();
        out.varint(2 << 3 | WireType::EditRest as u64);
        match self {
            Self::Catalogue | Self::Entries => {
                out.raw(&self.key(at));
                out.varint(2 + 9);
                out.varint(1 << 3 | WireType::Eight as u64);
                out.raw(&number);
            }
            Self::Numbers => {
                out.raw(&self.key(at));
                out.byte(1);
                out.raw(&number);
            }
            Self::Set => {
                out.raw(&self.key(at));
                out.byte(draw(state, 2) as u8);
            }
            Self::List => {
                out.varint(0);
                out.length(at);
                out.byte(1);
                out.raw(&number);
            }
        }
    }
}

/// Makes the object.
pub(crate) fn load(shape: Shape) -> Document {
    let mut document = Document::new(shape.schema());
    for delta in shape.creation() {
        document.replay(&delta, Version(1)).unwrap();
    }
    document
}

/// Judges and applies `count` random commits.
pub(crate) fn work(shape: Shape, document: &mut Document, count: usize) {
    let mut state = 0x9e37_79b9_7f4a_7c15;
    for _ in 0..count {
        let mut w = Writer::new();
        shape.commit(&mut state, &mut w);
        let delta = Bytes::from(w.into_bytes());
        let judged = document.judge(&delta, document.version(), Scope::Cells).unwrap();
        document.apply(&judged, document.version().next());
    }
}
