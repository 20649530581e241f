use proc_macro::TokenStream;
/// Derives `nam::Tracked`.
#[proc_macro_derive(Tracked, attributes(nam))]
pub fn derive_tracked(_input: TokenStream) -> TokenStream {
    TokenStream::new()
}
