//! What `#[derive(Tracked)]` writes, written out by hand for one struct and one enum: the model for the derive.
//!
//! ```ignore
//! #[derive(Tracked, Clone)]
//! #[nam(name = "desk.Order", reserved(3))]
//! pub struct Order {
//!     pub price: f64,
//!     #[nam(id = 4, default)] pub tags: Vec<u32>,
//!     #[nam(id = 5)] pub status: Status,
//!     #[nam(skip)] pub cache: u8,
//! }
//! #[derive(Tracked, Clone)]
//! pub enum Status { New, Filled { price: f64, quantity: u64 }, Rejected(u32) }
//! ```

use nam::__private::{Class, Reader, Tracked, Writer};

#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    pub price: f64,
    pub tags: Vec<u32>,
    pub status: Status,
    pub cache: u8,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Status {
    New,
    Filled { price: f64, quantity: u64 },
    Rejected(u32),
}

/// What a transaction touched in an [`Order`].
pub struct OrderChanges {
    /// Changes of `price`.
    pub price: <::nam::__private::Plain as ::nam::__private::Tracking<f64>>::Changes,
    /// Changes of `tags`.
    pub tags: <::nam::__private::Plain as ::nam::__private::Tracking<Vec<u32>>>::Changes,
    /// Changes of `status`.
    pub status: <::nam::__private::Plain as ::nam::__private::Tracking<Status>>::Changes,
    #[doc(hidden)]
    pub nam_old: ::nam::__private::Old<Order>,
}

/// Writes an [`Order`].
pub struct OrderMut<'nam> {
    nam_value: &'nam mut Order,
    nam_changes: &'nam mut OrderChanges,
}

/// All cursors of an [`Order`] at once.
pub struct OrderFields<'nam> {
    pub price: <::nam::__private::Plain as ::nam::__private::Tracking<f64>>::Mut<'nam>,
    pub tags: <::nam::__private::Plain as ::nam::__private::Tracking<Vec<u32>>>::Mut<'nam>,
    pub status: <::nam::__private::Plain as ::nam::__private::Tracking<Status>>::Mut<'nam>,
}

const _: () = {
    use ::nam::__private as nam;
    use nam::Tracking as _;

    impl ::core::default::Default for OrderChanges {
        fn default() -> Self {
            Self {
                price: ::core::default::Default::default(),
                tags: ::core::default::Default::default(),
                status: ::core::default::Default::default(),
                nam_old: ::core::default::Default::default(),
            }
        }
    }

    impl ::core::fmt::Debug for OrderChanges {
        fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
            nam::debug_changes(
                f,
                "OrderChanges",
                &[
                    ("price", nam::Changes::is_touched(&self.price)),
                    ("tags", nam::Changes::is_touched(&self.tags)),
                    ("status", nam::Changes::is_touched(&self.status)),
                ],
            )
        }
    }

    impl nam::Changes for OrderChanges {
        fn is_touched(&self) -> bool {
            self.nam_old.is_touched()
                || nam::Changes::is_touched(&self.price)
                || nam::Changes::is_touched(&self.tags)
                || nam::Changes::is_touched(&self.status)
        }
        fn heap_bytes(&self) -> usize {
            self.nam_old.heap_bytes()
                + nam::Changes::heap_bytes(&self.price)
                + nam::Changes::heap_bytes(&self.tags)
                + nam::Changes::heap_bytes(&self.status)
        }
        fn required(&self) -> usize {
            self.nam_old.required()
                + nam::Changes::required(&self.price)
                + nam::Changes::required(&self.tags)
                + nam::Changes::required(&self.status)
        }
    }

    impl ::core::ops::Deref for OrderMut<'_> {
        type Target = Order;
        fn deref(&self) -> &Order {
            self.nam_value
        }
    }

    impl<'nam> OrderMut<'nam> {
        /// Writes `price`.
        pub fn price_mut(&mut self) -> <nam::Plain as nam::Tracking<f64>>::Mut<'_> {
            nam::Plain::track(&mut self.nam_value.price, &mut self.nam_changes.price)
        }
        /// Writes `price`, for as long as this cursor may.
        pub fn into_price(self) -> <nam::Plain as nam::Tracking<f64>>::Mut<'nam> {
            nam::Plain::track(&mut self.nam_value.price, &mut self.nam_changes.price)
        }
        /// Reads `price`, and has the commit fail if it changed since.
        pub fn require_price(&mut self) -> &f64 {
            <Order as nam::Derived>::old_mut(self.nam_changes).require(1);
            &self.nam_value.price
        }
        pub fn tags_mut(&mut self) -> <nam::Plain as nam::Tracking<Vec<u32>>>::Mut<'_> {
            nam::Plain::track(&mut self.nam_value.tags, &mut self.nam_changes.tags)
        }
        pub fn status_mut(&mut self) -> <nam::Plain as nam::Tracking<Status>>::Mut<'_> {
            nam::Plain::track(&mut self.nam_value.status, &mut self.nam_changes.status)
        }
        /// All cursors at once.
        pub fn fields(&mut self) -> OrderFields<'_> {
            self.reborrow().into_fields()
        }
        /// All cursors at once, for as long as this cursor may.
        pub fn into_fields(self) -> OrderFields<'nam> {
            OrderFields {
                price: nam::Plain::track(&mut self.nam_value.price, &mut self.nam_changes.price),
                tags: nam::Plain::track(&mut self.nam_value.tags, &mut self.nam_changes.tags),
                status: nam::Plain::track(&mut self.nam_value.status, &mut self.nam_changes.status),
            }
        }
        /// Runs code that knows no cursors.
        pub fn edit<R>(&mut self, f: impl FnOnce(&mut Order) -> R) -> R {
            nam::edit(self.nam_value, self.nam_changes, f)
        }
        /// Replaces the value.
        pub fn set(&mut self, value: Order) {
            nam::replace(self.nam_value, value, Some(self.nam_changes));
        }
        /// A shorter cursor.
        pub fn reborrow(&mut self) -> OrderMut<'_> {
            OrderMut { nam_value: self.nam_value, nam_changes: self.nam_changes }
        }
    }

    impl nam::Derived for Order {
        fn describe(b: &mut nam::SchemaBuilder) -> nam::TypeDef {
            nam::TypeDef::Struct(nam::StructDef {
                name: "Order".into(),
                fields: vec![
                    <nam::Plain as nam::Tracking<f64>>::field_def(
                        b,
                        &nam::FieldSpec { id: 1, name: "price", ..nam::FieldSpec::default() },
                    ),
                    <nam::Plain as nam::Tracking<Vec<u32>>>::field_def(
                        b,
                        &nam::FieldSpec { id: 4, name: "tags", optional: true, ..nam::FieldSpec::default() },
                    ),
                    <nam::Plain as nam::Tracking<Status>>::field_def(
                        b,
                        &nam::FieldSpec { id: 5, name: "status", ..nam::FieldSpec::default() },
                    ),
                ],
                reserved: vec![nam::FieldId(3)],
            })
        }
        fn old(changes: &OrderChanges) -> &nam::Old<Self> {
            &changes.nam_old
        }
        fn old_mut(changes: &mut OrderChanges) -> &mut nam::Old<Self> {
            &mut changes.nam_old
        }
        fn encode_fields(&self, w: &mut nam::FieldsWriter<'_>) {
            <nam::Plain as nam::Tracking<_>>::put_field(w, 1, &self.price);
            <nam::Plain as nam::Tracking<_>>::put_field(w, 4, &self.tags);
            <nam::Plain as nam::Tracking<_>>::put_field(w, 5, &self.status);
        }
        fn decode_fields(
            _: Option<nam::VariantId>,
            mut fields: nam::FieldsReader<'_>,
        ) -> Result<Self, nam::DecodeError> {
            let mut f1 = None;
            let mut f4 = None;
            let mut f5 = None;
            while let Some(field) = fields.next()? {
                match field.id.0 {
                    1 => f1 = Some(<nam::Plain as nam::Tracking<f64>>::decode_field("price", &field)?),
                    4 => {
                        f4 = Some(<nam::Plain as nam::Tracking<Vec<u32>>>::decode_field_or(
                            "tags",
                            &field,
                            Default::default,
                        )?)
                    }
                    5 => f5 = Some(<nam::Plain as nam::Tracking<Status>>::decode_field("status", &field)?),
                    _ => {}
                }
            }
            Ok(Self {
                price: nam::require("price", f1)?,
                tags: f4.unwrap_or_default(),
                status: nam::require("status", f5)?,
                cache: Default::default(),
            })
        }
        fn encode_field_edits(&self, c: &OrderChanges, w: &mut nam::FieldsWriter<'_>) {
            <nam::Plain as nam::Tracking<_>>::edit_field(w, 1, nam::Absence::Refused, &self.price, &c.price);
            <nam::Plain as nam::Tracking<_>>::edit_field(w, 4, nam::Absence::OfType, &self.tags, &c.tags);
            <nam::Plain as nam::Tracking<_>>::edit_field(w, 5, nam::Absence::Refused, &self.status, &c.status);
        }
        fn encode_field_guards(&self, c: &OrderChanges, w: &mut nam::FieldsWriter<'_>) {
            <nam::Plain as nam::Tracking<_>>::guard_field(w, 1, c.nam_old.requires(1), &self.price, &c.price);
            <nam::Plain as nam::Tracking<_>>::guard_field(w, 4, c.nam_old.requires(4), &self.tags, &c.tags);
            <nam::Plain as nam::Tracking<_>>::guard_field(w, 5, c.nam_old.requires(5), &self.status, &c.status);
        }
        fn encode_field_diffs(&self, old: &Self, w: &mut nam::FieldsWriter<'_>) {
            <nam::Plain as nam::Tracking<_>>::diff_field(w, 1, nam::Absence::Refused, &self.price, &old.price);
            <nam::Plain as nam::Tracking<_>>::diff_field(w, 4, nam::Absence::OfType, &self.tags, &old.tags);
            <nam::Plain as nam::Tracking<_>>::diff_field(w, 5, nam::Absence::Refused, &self.status, &old.status);
        }
        fn apply_one(&mut self, field: &nam::Field<'_>, c: Option<&mut OrderChanges>) -> Result<(), nam::DecodeError> {
            match field.id.0 {
                1 => <nam::Plain as nam::Tracking<_>>::apply_field(
                    "price",
                    &mut self.price,
                    field,
                    c.map(|c| &mut c.price),
                ),
                4 => {
                    <nam::Plain as nam::Tracking<_>>::apply_field("tags", &mut self.tags, field, c.map(|c| &mut c.tags))
                }
                5 => <nam::Plain as nam::Tracking<_>>::apply_field(
                    "status",
                    &mut self.status,
                    field,
                    c.map(|c| &mut c.status),
                ),
                _ => Ok(()),
            }
        }
        fn undo_fields(&mut self, c: OrderChanges) {
            nam::Plain::undo(&mut self.price, c.price);
            nam::Plain::undo(&mut self.tags, c.tags);
            nam::Plain::undo(&mut self.status, c.status);
        }
        fn heap_bytes_of_fields(&self) -> usize {
            nam::Plain::heap_bytes(&self.price)
                + nam::Plain::heap_bytes(&self.tags)
                + nam::Plain::heap_bytes(&self.status)
        }
    }

    impl nam::Tracked for Order {
        type Changes = OrderChanges;
        type Mut<'a> = OrderMut<'a>;
        type InVec = nam::AsList;
        const WIRE: nam::WireType = nam::WireType::Sized;
        // All fields are scalars; an enum says false.
        const EDITS_NOTHING: bool = <nam::Plain as nam::Tracking<f64>>::WIRE.is_scalar()
            && <nam::Plain as nam::Tracking<Vec<u32>>>::WIRE.is_scalar()
            && <nam::Plain as nam::Tracking<Status>>::WIRE.is_scalar();
        fn kind(b: &mut nam::SchemaBuilder) -> nam::Kind {
            nam::kind::<Self>(b)
        }
        fn track<'a>(&'a mut self, changes: &'a mut OrderChanges) -> OrderMut<'a> {
            OrderMut { nam_value: self, nam_changes: changes }
        }
        fn encode(&self, w: &mut nam::Writer) {
            nam::encode(self, w);
        }
        fn decode(r: &mut nam::Reader<'_>) -> Result<Self, nam::DecodeError> {
            nam::decode_struct(r)
        }
        fn encode_edit(&self, changes: &OrderChanges, w: &mut nam::Writer) -> nam::Edit {
            nam::encode_edit(self, changes, w)
        }
        fn encode_guards(&self, changes: &Self::Changes, w: &mut nam::Writer) -> nam::Edit {
            nam::encode_guards(self, changes, w)
        }
        fn encode_diff(&self, old: &Self, w: &mut nam::Writer) -> nam::Edit {
            nam::encode_diff(self, old, w)
        }
        fn apply(&mut self, edit: nam::Reader<'_>, changes: Option<&mut OrderChanges>) -> Result<(), nam::DecodeError> {
            nam::apply(self, edit, changes)
        }
        fn put_whole(&mut self, value: Self, changes: Option<&mut OrderChanges>) {
            nam::replace(self, value, changes);
        }
        fn undo(&mut self, changes: OrderChanges) {
            nam::undo(self, changes);
        }
        fn heap_bytes(&self) -> usize {
            nam::Derived::heap_bytes_of_fields(self)
        }
    }

    impl nam::Class for Order {
        const NAME: &'static str = "desk.Order";
    }
};

/// What a transaction touched in a [`Status`].
pub struct StatusChanges {
    /// Changes inside of `Filled`.
    pub filled: ::nam::__private::BoxedChanges<StatusFilledChanges>,
    /// Changes inside of `Rejected`.
    pub rejected: ::nam::__private::BoxedChanges<StatusRejectedChanges>,
    #[doc(hidden)]
    pub nam_old: ::nam::__private::Old<Status>,
}

/// What a transaction touched in a [`Status::Filled`].
pub struct StatusFilledChanges {
    pub price: <::nam::__private::Plain as ::nam::__private::Tracking<f64>>::Changes,
    pub quantity: <::nam::__private::Plain as ::nam::__private::Tracking<u64>>::Changes,
}

/// What a transaction touched in a [`Status::Rejected`]; tuple variants give tuple structs.
pub struct StatusRejectedChanges(pub <::nam::__private::Plain as ::nam::__private::Tracking<u32>>::Changes);

/// Writes a [`Status`].
pub struct StatusMut<'nam> {
    nam_value: &'nam mut Status,
    nam_changes: &'nam mut StatusChanges,
}

/// The cursors of the variant that a [`Status`] has.
pub enum StatusVariantMut<'nam> {
    New,
    Filled {
        price: <::nam::__private::Plain as ::nam::__private::Tracking<f64>>::Mut<'nam>,
        quantity: <::nam::__private::Plain as ::nam::__private::Tracking<u64>>::Mut<'nam>,
    },
    Rejected(<::nam::__private::Plain as ::nam::__private::Tracking<u32>>::Mut<'nam>),
}

const _: () = {
    use ::nam::__private as nam;
    use nam::Tracking as _;

    impl ::core::default::Default for StatusChanges {
        fn default() -> Self {
            Self {
                filled: ::core::default::Default::default(),
                rejected: ::core::default::Default::default(),
                nam_old: ::core::default::Default::default(),
            }
        }
    }

    impl ::core::fmt::Debug for StatusChanges {
        fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
            nam::debug_changes(
                f,
                "StatusChanges",
                &[
                    ("filled", nam::Changes::is_touched(&self.filled)),
                    ("rejected", nam::Changes::is_touched(&self.rejected)),
                ],
            )
        }
    }

    impl nam::Changes for StatusChanges {
        fn is_touched(&self) -> bool {
            self.nam_old.is_touched()
                || nam::Changes::is_touched(&self.filled)
                || nam::Changes::is_touched(&self.rejected)
        }
        fn heap_bytes(&self) -> usize {
            self.nam_old.heap_bytes()
                + nam::Changes::heap_bytes(&self.filled)
                + nam::Changes::heap_bytes(&self.rejected)
        }
        fn required(&self) -> usize {
            self.nam_old.required() + nam::Changes::required(&self.filled) + nam::Changes::required(&self.rejected)
        }
    }

    impl ::core::default::Default for StatusFilledChanges {
        fn default() -> Self {
            Self { price: ::core::default::Default::default(), quantity: ::core::default::Default::default() }
        }
    }

    impl ::core::fmt::Debug for StatusFilledChanges {
        fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
            nam::debug_changes(
                f,
                "StatusFilledChanges",
                &[
                    ("price", nam::Changes::is_touched(&self.price)),
                    ("quantity", nam::Changes::is_touched(&self.quantity)),
                ],
            )
        }
    }

    impl nam::Changes for StatusFilledChanges {
        fn is_touched(&self) -> bool {
            nam::Changes::is_touched(&self.price) || nam::Changes::is_touched(&self.quantity)
        }
        fn heap_bytes(&self) -> usize {
            nam::Changes::heap_bytes(&self.price) + nam::Changes::heap_bytes(&self.quantity)
        }
        fn required(&self) -> usize {
            nam::Changes::required(&self.price) + nam::Changes::required(&self.quantity)
        }
    }

    impl ::core::default::Default for StatusRejectedChanges {
        fn default() -> Self {
            Self(::core::default::Default::default())
        }
    }

    impl ::core::fmt::Debug for StatusRejectedChanges {
        fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
            nam::debug_changes(f, "StatusRejectedChanges", &[("0", nam::Changes::is_touched(&self.0))])
        }
    }

    impl nam::Changes for StatusRejectedChanges {
        fn is_touched(&self) -> bool {
            nam::Changes::is_touched(&self.0)
        }
        fn heap_bytes(&self) -> usize {
            nam::Changes::heap_bytes(&self.0)
        }
        fn required(&self) -> usize {
            nam::Changes::required(&self.0)
        }
    }

    impl ::core::ops::Deref for StatusMut<'_> {
        type Target = Status;
        fn deref(&self) -> &Status {
            self.nam_value
        }
    }

    impl<'nam> StatusMut<'nam> {
        /// The cursors of the current variant.
        pub fn variant_mut(&mut self) -> StatusVariantMut<'_> {
            self.reborrow().into_variant()
        }
        /// The cursors of the current variant, for as long as this cursor may.
        pub fn into_variant(self) -> StatusVariantMut<'nam> {
            match self.nam_value {
                Status::New => StatusVariantMut::New,
                Status::Filled { price, quantity } => {
                    let changes = self.nam_changes.filled.touch();
                    StatusVariantMut::Filled {
                        price: nam::Plain::track(price, &mut changes.price),
                        quantity: nam::Plain::track(quantity, &mut changes.quantity),
                    }
                }
                Status::Rejected(f0) => {
                    let changes = self.nam_changes.rejected.touch();
                    StatusVariantMut::Rejected(nam::Plain::track(f0, &mut changes.0))
                }
            }
        }
        /// Runs code that knows no cursors.
        pub fn edit<R>(&mut self, f: impl FnOnce(&mut Status) -> R) -> R {
            nam::edit(self.nam_value, self.nam_changes, f)
        }
        /// Replaces the value.
        pub fn set(&mut self, value: Status) {
            nam::replace(self.nam_value, value, Some(self.nam_changes));
        }
        /// A shorter cursor.
        pub fn reborrow(&mut self) -> StatusMut<'_> {
            StatusMut { nam_value: self.nam_value, nam_changes: self.nam_changes }
        }
    }

    impl nam::Derived for Status {
        fn describe(b: &mut nam::SchemaBuilder) -> nam::TypeDef {
            nam::TypeDef::Enum(nam::EnumDef {
                name: "Status".into(),
                variants: vec![
                    nam::VariantDef { id: nam::VariantId(0), name: "New".into(), ..Default::default() },
                    nam::VariantDef {
                        id: nam::VariantId(1),
                        name: "Filled".into(),
                        aliases: vec![],
                        fields: vec![
                            <nam::Plain as nam::Tracking<f64>>::field_def(
                                b,
                                &nam::FieldSpec { id: 1, name: "price", ..nam::FieldSpec::default() },
                            ),
                            <nam::Plain as nam::Tracking<u64>>::field_def(
                                b,
                                &nam::FieldSpec { id: 2, name: "quantity", ..nam::FieldSpec::default() },
                            ),
                        ],
                    },
                    nam::VariantDef {
                        id: nam::VariantId(2),
                        name: "Rejected".into(),
                        aliases: vec![],
                        fields: vec![<nam::Plain as nam::Tracking<u32>>::field_def(
                            b,
                            &nam::FieldSpec { id: 1, name: "0", ..nam::FieldSpec::default() },
                        )],
                    },
                ],
                reserved: vec![],
            })
        }
        fn old(changes: &StatusChanges) -> &nam::Old<Self> {
            &changes.nam_old
        }
        fn old_mut(changes: &mut StatusChanges) -> &mut nam::Old<Self> {
            &mut changes.nam_old
        }
        fn variant(&self) -> Option<nam::VariantId> {
            Some(match self {
                Self::New => nam::VariantId(0),
                Self::Filled { .. } => nam::VariantId(1),
                Self::Rejected(..) => nam::VariantId(2),
            })
        }
        fn encode_fields(&self, w: &mut nam::FieldsWriter<'_>) {
            match self {
                Self::New => {}
                Self::Filled { price, quantity } => {
                    <nam::Plain as nam::Tracking<_>>::put_field(w, 1, price);
                    <nam::Plain as nam::Tracking<_>>::put_field(w, 2, quantity);
                }
                Self::Rejected(f0) => <nam::Plain as nam::Tracking<_>>::put_field(w, 1, f0),
            }
        }
        fn decode_fields(
            variant: Option<nam::VariantId>,
            mut fields: nam::FieldsReader<'_>,
        ) -> Result<Self, nam::DecodeError> {
            match variant {
                Some(nam::VariantId(0)) => Ok(Self::New),
                Some(nam::VariantId(1)) => {
                    let mut f1 = None;
                    let mut f2 = None;
                    while let Some(field) = fields.next()? {
                        match field.id.0 {
                            1 => f1 = Some(<nam::Plain as nam::Tracking<f64>>::decode_field("price", &field)?),
                            2 => f2 = Some(<nam::Plain as nam::Tracking<u64>>::decode_field("quantity", &field)?),
                            _ => {}
                        }
                    }
                    Ok(Self::Filled { price: nam::require("price", f1)?, quantity: nam::require("quantity", f2)? })
                }
                Some(nam::VariantId(2)) => {
                    let mut f1 = None;
                    while let Some(field) = fields.next()? {
                        match field.id.0 {
                            1 => f1 = Some(<nam::Plain as nam::Tracking<u32>>::decode_field("0", &field)?),
                            _ => {}
                        }
                    }
                    Ok(Self::Rejected(nam::require("0", f1)?))
                }
                variant => Err(nam::unknown_variant(variant)),
            }
        }
        fn encode_field_edits(&self, c: &StatusChanges, w: &mut nam::FieldsWriter<'_>) {
            match self {
                Self::New => {}
                Self::Filled { price, quantity } => {
                    if let Some(c) = c.filled.get() {
                        <nam::Plain as nam::Tracking<_>>::edit_field(w, 1, nam::Absence::Refused, price, &c.price);
                        <nam::Plain as nam::Tracking<_>>::edit_field(
                            w,
                            2,
                            nam::Absence::Refused,
                            quantity,
                            &c.quantity,
                        );
                    }
                }
                Self::Rejected(f0) => {
                    if let Some(c) = c.rejected.get() {
                        <nam::Plain as nam::Tracking<_>>::edit_field(w, 1, nam::Absence::Refused, f0, &c.0);
                    }
                }
            }
        }
        fn encode_field_guards(&self, c: &StatusChanges, w: &mut nam::FieldsWriter<'_>) {
            match self {
                Self::New => {}
                Self::Filled { price, quantity } => {
                    if let Some(c) = c.filled.get() {
                        <nam::Plain as nam::Tracking<_>>::guard_field(w, 1, false, price, &c.price);
                        <nam::Plain as nam::Tracking<_>>::guard_field(w, 2, false, quantity, &c.quantity);
                    }
                }
                Self::Rejected(f0) => {
                    if let Some(c) = c.rejected.get() {
                        <nam::Plain as nam::Tracking<_>>::guard_field(w, 1, false, f0, &c.0);
                    }
                }
            }
        }
        fn encode_field_diffs(&self, old: &Self, w: &mut nam::FieldsWriter<'_>) {
            match (self, old) {
                (Self::Filled { price, quantity }, Self::Filled { price: o1, quantity: o2 }) => {
                    <nam::Plain as nam::Tracking<_>>::diff_field(w, 1, nam::Absence::Refused, price, o1);
                    <nam::Plain as nam::Tracking<_>>::diff_field(w, 2, nam::Absence::Refused, quantity, o2);
                }
                (Self::Rejected(f0), Self::Rejected(o0)) => {
                    <nam::Plain as nam::Tracking<_>>::diff_field(w, 1, nam::Absence::Refused, f0, o0);
                }
                _ => {}
            }
        }
        fn apply_one(&mut self, field: &nam::Field<'_>, c: Option<&mut StatusChanges>) -> Result<(), nam::DecodeError> {
            match (self, field.id.0) {
                (Self::Filled { price, .. }, 1) => <nam::Plain as nam::Tracking<_>>::apply_field(
                    "price",
                    price,
                    field,
                    c.map(|c| &mut c.filled.touch().price),
                ),
                (Self::Filled { quantity, .. }, 2) => <nam::Plain as nam::Tracking<_>>::apply_field(
                    "quantity",
                    quantity,
                    field,
                    c.map(|c| &mut c.filled.touch().quantity),
                ),
                (Self::Rejected(f0), 1) => {
                    <nam::Plain as nam::Tracking<_>>::apply_field("0", f0, field, c.map(|c| &mut c.rejected.touch().0))
                }
                _ => Ok(()),
            }
        }
        fn undo_fields(&mut self, c: StatusChanges) {
            match self {
                Self::New => {}
                Self::Filled { price, quantity } => {
                    if let Some(c) = c.filled.into_inner() {
                        nam::Plain::undo(price, c.price);
                        nam::Plain::undo(quantity, c.quantity);
                    }
                }
                Self::Rejected(f0) => {
                    if let Some(c) = c.rejected.into_inner() {
                        nam::Plain::undo(f0, c.0);
                    }
                }
            }
        }
        fn heap_bytes_of_fields(&self) -> usize {
            match self {
                Self::New => 0,
                Self::Filled { price, quantity } => nam::Plain::heap_bytes(price) + nam::Plain::heap_bytes(quantity),
                Self::Rejected(f0) => nam::Plain::heap_bytes(f0),
            }
        }
    }

    impl nam::Tracked for Status {
        type Changes = StatusChanges;
        type Mut<'a> = StatusMut<'a>;
        type InVec = nam::AsList;
        const WIRE: nam::WireType = nam::WireType::Sized;
        const EDITS_NOTHING: bool = false;
        fn kind(b: &mut nam::SchemaBuilder) -> nam::Kind {
            nam::kind::<Self>(b)
        }
        fn track<'a>(&'a mut self, changes: &'a mut StatusChanges) -> StatusMut<'a> {
            StatusMut { nam_value: self, nam_changes: changes }
        }
        fn encode(&self, w: &mut nam::Writer) {
            nam::encode(self, w);
        }
        fn decode(r: &mut nam::Reader<'_>) -> Result<Self, nam::DecodeError> {
            nam::decode_enum(r)
        }
        fn encode_edit(&self, changes: &StatusChanges, w: &mut nam::Writer) -> nam::Edit {
            nam::encode_edit(self, changes, w)
        }
        fn encode_guards(&self, changes: &Self::Changes, w: &mut nam::Writer) -> nam::Edit {
            nam::encode_guards(self, changes, w)
        }
        fn encode_diff(&self, old: &Self, w: &mut nam::Writer) -> nam::Edit {
            nam::encode_diff(self, old, w)
        }
        fn apply(
            &mut self,
            edit: nam::Reader<'_>,
            changes: Option<&mut StatusChanges>,
        ) -> Result<(), nam::DecodeError> {
            nam::apply(self, edit, changes)
        }
        fn put_whole(&mut self, value: Self, changes: Option<&mut StatusChanges>) {
            nam::replace(self, value, changes);
        }
        fn undo(&mut self, changes: StatusChanges) {
            nam::undo(self, changes);
        }
        fn heap_bytes(&self) -> usize {
            nam::Derived::heap_bytes_of_fields(self)
        }
    }
};

fn order() -> Order {
    Order { price: 1.0, tags: vec![1, 2], status: Status::Filled { price: 2.0, quantity: 3 }, cache: 7 }
}

/// Runs `f`, then checks the delta's length, its replay on a copy, and the undo.
fn check(bytes: usize, f: impl FnOnce(OrderMut<'_>)) {
    let before = order();
    let mut value = before.clone();
    let mut changes = OrderChanges::default();
    f(value.track(&mut changes));

    let mut w = Writer::new();
    let is_changed = value.encode_delta(&changes, &mut w);
    assert_eq!((is_changed, w.len()), (bytes > 0, bytes), "{:?}", w.as_slice());

    let mut replica = before.clone();
    let mut remote = OrderChanges::default();
    replica.apply(Reader::new(w.as_slice()), Some(&mut remote)).unwrap();
    assert_eq!(replica, value);
    replica.undo(remote);
    assert_eq!(replica, before);
    value.undo(changes);
    assert_eq!(value, before);
}

#[test]
fn a_scalar_costs_its_tag_and_itself() {
    check(9, |mut order| *order.price_mut() = 5.0);
    check(0, |mut order| *order.price_mut() = 1.0);
}

#[test]
fn an_enum_edits_in_place_while_the_variant_stays() {
    check(1 + 1 + 2, |mut order| match order.status_mut().variant_mut() {
        StatusVariantMut::Filled { mut quantity, .. } => *quantity = 9,
        _ => unreachable!(),
    });
    check(1 + 1 + 2, |mut order| order.status_mut().set(Status::Filled { price: 2.0, quantity: 9 }));
    check(1 + 1 + 1, |mut order| order.status_mut().set(Status::New));
    check(0, |mut order| {
        order.status_mut().set(Status::Rejected(4));
        order.status_mut().set(Status::Filled { price: 2.0, quantity: 3 });
    });
}

#[test]
fn blind_code_leaves_a_small_delta() {
    check(9, |mut order| {
        *order.price_mut() = 2.0;
        order.edit(|order| {
            order.price *= 2.0;
            order.status = Status::Filled { price: 2.0, quantity: 3 };
        });
    });
}

#[test]
fn a_full_value_comes_back() {
    let mut w = Writer::new();
    order().encode_root(&mut w);
    let back = Order::decode_root(Reader::new(w.as_slice())).unwrap();
    assert_eq!(back, Order { cache: 0, ..order() });

    assert_eq!(Order::schema().class, "desk.Order");
    assert_eq!(Order::schema().types.len(), 2);
}
