//! The WASM entry of the single-page app.

fn main() {
    memdeck_app::mount();
}
