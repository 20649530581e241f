//! Policy fields: many nodes write them at once, and nobody conflicts.
//!
//! Under a policy a field has its own cursor, which records the operation instead of its result; the repository
//! computes the result from the value it has by then. What the cursor shows meanwhile is the result on this node's
//! copy. Invariants: an operation that does nothing here is not sent; a whole new value (`edit`, a replaced struct) is
//! turned back into an operation where one leads there, and is put otherwise. Source: own reasoning; operations travel
//! only from writer to repository.

mod add;
mod append;
mod lww;
mod order;
mod union;

pub use add::{Add, AddChanges, AddMut, Number};
pub use append::{Append, AppendChanges, AppendMut, Appendable};
pub use lww::Lww;
pub use order::{BoundChanges, Max, MaxMut, Min, MinMut};
pub use union::{Keys, Union, UnionChanges, UnionMut};
