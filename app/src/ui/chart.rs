//! Charts: the elements `<time-chart>` and `<amount-chart>` of `public/charts.js` and `public/amount-chart.js`, which are loaded
//! when the first one is shown.

use js_sys::{Array, Float64Array, Function, Reflect};
use leptos::ev::CustomEvent;
use leptos::html;
use leptos::prelude::*;
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::Element;

use super::erase::{effect, handler};

/// Relative to the shell's `<base>`.
const SCRIPT: &str = "charts.js";

/// What a chart shows: its settings and marks as JSON, and its columns one after the other, as the scripts take them.
pub struct Drawing {
    /// The range, the unit and the kind of the values.
    pub settings: String,
    pub columns: Vec<f64>,
    /// What is marked on the axis of time.
    pub marks: String,
}

/// Which element draws.
#[derive(Clone, Copy, Default)]
pub enum ChartKind {
    /// One value over time: instants, means, lowest and highest values, and what was counted.
    #[default]
    Time,
    /// Amounts on top of each other, as bars or areas. It has no marks and is not zoomed.
    Amounts,
}

/// A chart on screen, for what is done with its picture.
#[derive(Clone, Copy, Default)]
pub struct ChartHandle {
    frame: NodeRef<html::Div>,
}

impl ChartHandle {
    /// Of the chart that is given it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Leaves a picture of the chart with the operator.
    pub fn save_png(self, title: &str, name: &str) {
        self.call("savePng", title, name);
    }

    /// Leaves a text with the operator.
    pub fn save_text(self, name: &str, text: &str) {
        self.call("saveText", name, text);
    }

    fn element(self) -> Option<Element> {
        self.frame.get_untracked()?.first_element_child()
    }

    fn call(self, method: &str, first: &str, second: &str) {
        let Some(element) = self.element() else { return };
        let method =
            Reflect::get(&element, &method.into()).ok().and_then(|it| it.dyn_into::<Function>().ok());
        if let Some(method) = method {
            let _ = method.call2(&element, &first.into(), &second.into());
        }
    }
}

/// The chart. `seen` says that it is in view; it draws only then.
#[component]
pub fn Chart(
    /// Where it is.
    handle: ChartHandle,
    /// Whether it is in view.
    seen: RwSignal<bool>,
    /// What it shows; `None` while that is not known.
    draw: Box<dyn Fn() -> Option<Drawing>>,
    /// Called with the stretch of time that was dragged over, in milliseconds since 1970.
    #[prop(optional)]
    on_zoom: Option<Callback<(f64, f64)>>,
    /// Called on a double click.
    #[prop(optional)]
    on_reset: Option<Callback<()>>,
    /// Which element draws.
    #[prop(optional)]
    kind: ChartKind,
) -> impl IntoView {
    load();
    let frame = handle.frame;
    effect(move || {
        let Some(frame) = frame.get() else { return };
        let name = match kind {
            ChartKind::Time => "time-chart",
            ChartKind::Amounts => "amount-chart",
        };
        let Ok(element) = document().create_element(name) else { return };
        // What it shows is said in words beside it.
        let _ = element.set_attribute("aria-hidden", "true");
        // The framework uses a frame again for another chart: nothing of the one before stays in it.
        frame.set_text_content(None);
        let _ = frame.append_child(&element);
    });
    effect(move || {
        if !seen.get() {
            return;
        }
        let Some(Drawing { settings, columns, marks }) = draw() else { return };
        if let Some(element) = handle.element() {
            let columns = Float64Array::from(columns.as_slice());
            let data = Array::of3(&settings.into(), &columns, &marks.into());
            let _ = Reflect::set(&element, &"data".into(), &data);
        }
    });
    let on_seen = move |event: CustomEvent| seen.set(event.detail().as_bool() == Some(true));
    let zoom = move |event: CustomEvent| {
        let ends = Array::from(&event.detail());
        let end = |index| JsValue::as_f64(&ends.get(index));
        if let (Some(from), Some(to), Some(on_zoom)) = (end(0), end(1), on_zoom) {
            on_zoom.run((from, to));
        }
    };
    let reset = move |_: CustomEvent| {
        if let Some(on_reset) = on_reset {
            on_reset.run(());
        }
    };
    view! {
        <div
            class="chart"
            node_ref=frame
            on:chartseen=handler(on_seen)
            on:chartzoom=handler(zoom)
            on:chartreset=handler(reset)
        ></div>
    }
}

thread_local! {
    /// Whether the script of charts could not be loaded.
    static FAILED: ArcRwSignal<bool> = ArcRwSignal::new(false);
}

/// Whether charts cannot be drawn, because their script did not come.
pub fn charts_failed() -> ArcRwSignal<bool> {
    FAILED.with(Clone::clone)
}

/// Asks for the script again.
pub fn retry_charts() {
    charts_failed().set(false);
    load();
}

/// Loads the script, once.
fn load() {
    let selector = format!("script[src=\"{SCRIPT}\"]");
    if document().query_selector(&selector).is_ok_and(|script| script.is_some()) {
        return;
    }
    let (Ok(script), Some(head)) = (document().create_element("script"), document().head()) else { return };
    let _ = script.set_attribute("type", "module");
    let _ = script.set_attribute("src", SCRIPT);
    let own = script.clone();
    let on_error = Closure::once_into_js(move || {
        own.remove();
        charts_failed().set(true);
    });
    let _ = script.add_event_listener_with_callback("error", on_error.unchecked_ref());
    let _ = head.append_child(&script);
}
