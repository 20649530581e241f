//! `SessionStore` of tower-sessions, for each version that is wanted.
//!
//! The trait, its records and its errors are the same text in both versions and foreign to each other, so one macro
//! writes both. Source: tower-sessions-core 0.15 and 0.14.

/// Implements the trait of one version.
macro_rules! session_store {
    ($core:ident) => {
        #[async_trait::async_trait]
        impl $core::SessionStore for super::NamStore {
            async fn create(&self, record: &mut $core::session::Record) -> $core::session_store::Result<()> {
                let draw = || $core::session::Id::default().0;
                let created = self.create_session(record.id.0, &record.data, record.expiry_date, draw).await;
                record.id = $core::session::Id(created.map_err(error)?);
                Ok(())
            }

            async fn save(&self, record: &$core::session::Record) -> $core::session_store::Result<()> {
                self.save_session(record.id.0, &record.data, record.expiry_date).await.map_err(error)
            }

            async fn load(
                &self,
                id: &$core::session::Id,
            ) -> $core::session_store::Result<Option<$core::session::Record>> {
                let loaded = self.load_session(id.0).await.map_err(error)?;
                Ok(loaded.map(|super::Loaded { data, ends }| $core::session::Record {
                    id: *id,
                    data,
                    expiry_date: ends,
                }))
            }

            async fn delete(&self, id: &$core::session::Id) -> $core::session_store::Result<()> {
                self.end(super::record::SessionKey::of(id.0)).await.map_err(error)
            }
        }

        fn error(error: super::StoreError) -> $core::session_store::Error {
            match error {
                super::StoreError::Value(_) => $core::session_store::Error::Encode(error.to_string()),
                _ => $core::session_store::Error::Backend(error.to_string()),
            }
        }
    };
}

pub(super) use session_store;
