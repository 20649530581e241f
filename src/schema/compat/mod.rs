//! Whether two programs may share objects: what the repository knows of a class, met by what a node offers.
//!
//! Types are matched from the root along equal ids, since two programs may number their tables differently. The answer
//! is the schema that covers both, or every mistake with the attribute that mends it. Invariants: merging is
//! idempotent, and a merge that teaches nothing new answers the known schema unchanged, its numbering included; what is
//! known is never forgotten, so an older node may come back. Source: own reasoning; the rules are those of protobuf
//! and Avro, made errors at registration.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use super::text::Labels;
use super::{EnumDef, FieldDef, Kind, Schema, SchemaError, StructDef, TypeDef, TypeIndex, VariantDef};
use crate::limits::SCHEMA_BYTES_MAX;

mod members;
mod problem;

use members::{Member, Pair, Side, pair_members};
pub use problem::Problem;

/// Fields and variants of a merged schema: each takes at least 4 bytes, so more would not fit its cap.
const MERGED_MEMBERS_MAX: usize = SCHEMA_BYTES_MAX / 4;

/// Problems that a refusal prints; the rest are counted.
const PROBLEMS_SHOWN_MAX: usize = 8;

/// Says why a program may not join: each mistake with what mends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incompatible {
    /// The class, as it is known.
    pub class: String,
    /// Every mistake found, outer types first.
    pub problems: Vec<Problem>,
}

impl fmt::Display for Incompatible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "class `{}`: ", self.class)?;
        for (i, problem) in self.problems.iter().take(PROBLEMS_SHOWN_MAX).enumerate() {
            write!(f, "{}{problem}", if i == 0 { "" } else { "; " })?;
        }
        match self.problems.len().saturating_sub(PROBLEMS_SHOWN_MAX) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

impl std::error::Error for Incompatible {}

/// Answers the schema that covers `known` and `offered`; both must have passed [`Schema::check`].
///
/// # Errors
/// Every way in which the offered schema would give known bytes another meaning.
pub fn merge(known: &Schema, offered: &Schema) -> Result<Schema, Incompatible> {
    let mut merge = Merge {
        known,
        offered,
        known_labels: Labels::of(known),
        offered_labels: Labels::of(offered),
        types: known.types.clone(),
        places: BTreeMap::new(),
        paired: BTreeMap::new(),
        work: VecDeque::new(),
        members: 0,
        problems: Vec::new(),
    };
    if known.class != offered.class {
        merge.problems.push(Problem::Class { known: known.class.clone(), offered: offered.class.clone() });
    } else {
        merge.pair(known.root, offered.root);
        merge.run();
    }
    merge.finish()
}

/// A merge under way.
struct Merge<'a> {
    known: &'a Schema,
    offered: &'a Schema,
    known_labels: Labels,
    offered_labels: Labels,
    /// The merged table: known types keep their places, others come behind.
    types: Vec<TypeDef>,
    /// Where the merger of a known and an offered type stands; without a known one, where the copy stands.
    places: BTreeMap<(Option<TypeIndex>, TypeIndex), TypeIndex>,
    /// The first place that covers an offered type.
    paired: BTreeMap<TypeIndex, TypeIndex>,
    /// Places that are still to be written.
    work: VecDeque<(Option<TypeIndex>, TypeIndex, TypeIndex)>,
    /// Fields and variants written so far; bounds the work that two hostile schemas can make.
    members: usize,
    problems: Vec<Problem>,
}

impl Merge<'_> {
    fn run(&mut self) {
        while let Some((known, offered, place)) = self.work.pop_front() {
            if self.members > MERGED_MEMBERS_MAX {
                let (what, found, max) = ("fields and variants", self.members, MERGED_MEMBERS_MAX);
                self.problems.push(Problem::Merged { error: SchemaError::Limit { what, found, max } });
                return;
            }
            let Some(offered_def) = self.offered.type_at(offered) else { continue };
            let merged = match known.and_then(|index| self.known.type_at(index)) {
                Some(known_def) => self.merge_type(known_def, offered_def),
                None => self.copy_type(offered_def),
            };
            if let Some(slot) = self.types.get_mut(place.0 as usize) {
                *slot = merged;
            }
        }
    }

    fn finish(mut self) -> Result<Schema, Incompatible> {
        let class = self.known.class.clone();
        let schema = Schema { class: class.clone(), types: self.types, root: self.known.root };
        if self.problems.is_empty()
            && let Err(error) = check_merged(&schema)
        {
            self.problems.push(Problem::Merged { error });
        }
        if self.problems.is_empty() { Ok(schema) } else { Err(Incompatible { class, problems: self.problems }) }
    }

    /// The place of the merger of two types.
    fn pair(&mut self, known: TypeIndex, offered: TypeIndex) -> TypeIndex {
        self.place(Some(known), offered)
    }

    fn place(&mut self, known: Option<TypeIndex>, offered: TypeIndex) -> TypeIndex {
        if let Some(place) = self.places.get(&(known, offered)) {
            return *place;
        }
        if known.is_none()
            && let Some(place) = self.paired.get(&offered)
        {
            return *place;
        }
        let is_first = |index: &TypeIndex| {
            let pairs = (Some(*index), TypeIndex(0))..=(Some(*index), TypeIndex(u32::MAX));
            self.places.range(pairs).next().is_none()
        };
        let place = known.filter(is_first).unwrap_or_else(|| {
            self.types.push(TypeDef::Struct(StructDef::default()));
            TypeIndex(u32::try_from(self.types.len() - 1).unwrap_or(u32::MAX))
        });
        self.places.insert((known, offered), place);
        self.paired.entry(offered).or_insert(place);
        self.work.push_back((known, offered, place));
        place
    }

    fn merge_type(&mut self, known: &TypeDef, offered: &TypeDef) -> TypeDef {
        match (known, offered) {
            (TypeDef::Struct(known), TypeDef::Struct(offered)) => TypeDef::Struct(self.merge_struct(known, offered)),
            (TypeDef::Enum(known), TypeDef::Enum(offered)) => TypeDef::Enum(self.merge_enum(known, offered)),
            _ => {
                self.problems.push(Problem::Form { name: offered.name().to_owned() });
                known.clone()
            }
        }
    }

    fn merge_struct(&mut self, known: &StructDef, offered: &StructDef) -> StructDef {
        let known_side = Side::of_fields(&known.fields, &known.reserved);
        let offered_side = Side::of_fields(&offered.fields, &offered.reserved);
        let fields = self.merge_fields(&offered.name, &known_side, &offered_side);
        StructDef { name: known.name.clone(), fields, reserved: merge_ids(&known.reserved, &offered.reserved) }
    }

    fn merge_enum(&mut self, known: &EnumDef, offered: &EnumDef) -> EnumDef {
        let known_side = Side::of_variants(&known.variants, &known.reserved);
        let offered_side = Side::of_variants(&offered.variants, &offered.reserved);
        let pairs = pair_members(&offered.name, &known_side, &offered_side, &mut self.problems);
        self.members += pairs.len();
        let variants = pairs.into_iter().map(|pair| self.merge_variant(&offered.name, pair)).collect();
        EnumDef { name: known.name.clone(), variants, reserved: merge_ids(&known.reserved, &offered.reserved) }
    }

    fn merge_variant(&mut self, owner: &str, pair: Pair<'_, VariantDef>) -> VariantDef {
        let (known, offered) = match pair {
            Pair::Known(known) => return known.clone(),
            Pair::Offered(offered) => {
                let fields = offered.fields.iter().map(|field| self.copy_field(field)).collect();
                return VariantDef { fields, ..offered.clone() };
            }
            Pair::Both(known, offered) => (known, offered),
        };
        let owner = format!("{owner}::{}", offered.name);
        let fields =
            self.merge_fields(&owner, &Side::of_fields(&known.fields, &[]), &Side::of_fields(&offered.fields, &[]));
        let (name, aliases) = merge_names(known, offered);
        VariantDef { id: known.id, name, aliases, fields }
    }

    fn merge_fields(&mut self, owner: &str, known: &Side<'_, FieldDef>, offered: &Side<'_, FieldDef>) -> Vec<FieldDef> {
        let pairs = pair_members(owner, known, offered, &mut self.problems);
        self.members += pairs.len();
        let free = known.free_id().max(offered.free_id());
        pairs
            .into_iter()
            .map(|pair| match pair {
                Pair::Known(field) => field.clone(),
                Pair::Both(known, offered) => self.merge_field(owner, free, known, offered),
                Pair::Offered(field) => {
                    if !field.optional {
                        let (owner, field) = (owner.to_owned(), field.name.clone());
                        self.problems.push(Problem::NoDefault { owner, field });
                    }
                    self.copy_field(field)
                }
            })
            .collect()
    }

    fn merge_field(&mut self, owner: &str, free: u32, known: &FieldDef, offered: &FieldDef) -> FieldDef {
        let kind = self.merge_kind(&known.kind, &offered.kind).unwrap_or_else(|| {
            self.problems.push(Problem::Kind {
                owner: owner.to_owned(),
                field: offered.name.clone(),
                id: known.id.0,
                known: self.known_labels.kind(&known.kind).to_string(),
                offered: self.offered_labels.kind(&offered.kind).to_string(),
                free,
            });
            known.kind.clone()
        });
        if known.policy != offered.policy {
            self.problems.push(Problem::Policy {
                owner: owner.to_owned(),
                field: offered.name.clone(),
                id: known.id.0,
                known: known.policy,
                offered: offered.policy,
                free,
            });
        }
        let (name, aliases) = merge_names(known, offered);
        FieldDef {
            id: known.id,
            name,
            aliases,
            kind,
            policy: known.policy,
            index: known.index || offered.index,
            redact: known.redact || offered.redact,
            optional: known.optional || offered.optional,
        }
    }

    /// The kind that covers both, `None` if they are different kinds.
    fn merge_kind(&mut self, known: &Kind, offered: &Kind) -> Option<Kind> {
        Some(match (known, offered) {
            (Kind::Type(known), Kind::Type(offered)) => Kind::Type(self.pair(*known, *offered)),
            (Kind::Option(known), Kind::Option(offered)) => Kind::Option(Box::new(self.merge_kind(known, offered)?)),
            (Kind::List(known), Kind::List(offered)) => Kind::List(Box::new(self.merge_kind(known, offered)?)),
            (Kind::Array(known, count), Kind::Array(offered, same)) if count == same => {
                Kind::Array(Box::new(self.merge_kind(known, offered)?), *count)
            }
            (Kind::Map(key, known), Kind::Map(same, offered)) if key == same => {
                Kind::Map(key.clone(), Box::new(self.merge_kind(known, offered)?))
            }
            _ if known == offered => known.clone(),
            _ => return None,
        })
    }

    fn copy_type(&mut self, offered: &TypeDef) -> TypeDef {
        match offered {
            TypeDef::Struct(def) => {
                let fields = def.fields.iter().map(|field| self.copy_field(field)).collect();
                TypeDef::Struct(StructDef { fields, ..def.clone() })
            }
            TypeDef::Enum(def) => {
                let variants =
                    def.variants.iter().map(|variant| self.merge_variant(&def.name, Pair::Offered(variant))).collect();
                TypeDef::Enum(EnumDef { variants, ..def.clone() })
            }
        }
    }

    fn copy_field(&mut self, offered: &FieldDef) -> FieldDef {
        self.members += 1;
        FieldDef { kind: self.copy_kind(&offered.kind), ..offered.clone() }
    }

    fn copy_kind(&mut self, offered: &Kind) -> Kind {
        match offered {
            Kind::Type(index) => Kind::Type(self.place(None, *index)),
            Kind::Option(inner) => Kind::Option(Box::new(self.copy_kind(inner))),
            Kind::List(inner) => Kind::List(Box::new(self.copy_kind(inner))),
            Kind::Array(inner, count) => Kind::Array(Box::new(self.copy_kind(inner)), *count),
            Kind::Map(key, inner) => Kind::Map(key.clone(), Box::new(self.copy_kind(inner))),
            kind => kind.clone(),
        }
    }
}

/// The newer of two names and every name besides: the newer is the one that lists the other as an alias.
fn merge_names<M: Member>(known: &M, offered: &M) -> (String, Vec<String>) {
    let is_newer = offered.aliases().iter().any(|alias| alias == known.name());
    let name = if is_newer { offered.name() } else { known.name() };
    let mut aliases = known.aliases().to_vec();
    let candidates = [known.name(), offered.name()].into_iter().chain(offered.aliases().iter().map(String::as_str));
    for candidate in candidates {
        if candidate != name && !aliases.iter().any(|alias| alias == candidate) {
            aliases.push(candidate.to_owned());
        }
    }
    aliases.retain(|alias| alias != name);
    (name.to_owned(), aliases)
}

fn check_merged(schema: &Schema) -> Result<(), SchemaError> {
    schema.check()?;
    match schema.to_bytes().len() {
        found if found > SCHEMA_BYTES_MAX => {
            Err(SchemaError::Limit { what: "schema bytes", found, max: SCHEMA_BYTES_MAX })
        }
        _ => Ok(()),
    }
}

fn merge_ids<I: Copy + Ord>(known: &[I], offered: &[I]) -> Vec<I> {
    let mut ids = [known, offered].concat();
    ids.sort_unstable();
    ids.dedup();
    ids
}
