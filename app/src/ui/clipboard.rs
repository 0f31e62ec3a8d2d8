//! Putting text on the clipboard.

use leptos::prelude::*;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{HtmlDocument, HtmlTextAreaElement};

/// Copies `text`; returns whether the browser did it.
pub async fn copy(text: &str) -> bool {
    // Browsers offer the clipboard only to pages from loopback or over TLS.
    let clipboard = window().navigator().clipboard();
    if AsRef::<JsValue>::as_ref(&clipboard).is_undefined() {
        return copy_by_selection(text).is_ok_and(|copied| copied);
    }
    JsFuture::from(clipboard.write_text(text)).await.is_ok()
}

/// The old way, which works everywhere: select the text in a field that nobody sees.
fn copy_by_selection(text: &str) -> Result<bool, JsValue> {
    let document: HtmlDocument = document().unchecked_into();
    let body = document.body().ok_or(JsValue::NULL)?;
    let before = document.active_element();
    let field: HtmlTextAreaElement = document.create_element("textarea")?.unchecked_into();
    field.set_value(text);
    field.set_class_name("visually-hidden");
    body.append_child(&field)?;
    field.select();
    let copied = document.exec_command("copy");
    field.remove();
    if let Some(before) = before.and_then(|element| element.dyn_into::<web_sys::HtmlElement>().ok()) {
        before.focus()?;
    }
    copied
}
