//! Signing somebody out on every device.
//!
//! Invariant: nobody is no one, so that the sessions of visitors who are not signed in are never meant. Source: own
//! reasoning (S6).

use super::stored::Stored;
use crate::client::Node;
use crate::error::Error;
use crate::tracked::Class;

/// Ends the sessions that `principal` is signed in with; answers how many. All are tried, also if one cannot be ended.
pub(super) async fn sign_out_everywhere<T: Class>(node: &Node, principal: &str) -> Result<usize, Error> {
    if principal.is_empty() {
        return Ok(0);
    }
    let (mut ended, mut failed) = (0, None);
    for session in node.find(Stored::<T>::PRINCIPAL, principal).await? {
        match node.destroy::<Stored<T>>(session.key()).await {
            Ok(()) => ended += 1,
            Err(Error::Gone { .. }) => {}
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(ended), Err)
}
