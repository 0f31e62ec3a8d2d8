//! Closures of one type. Every closure is a type of its own, and the framework's code is compiled once for each type that
//! it meets: behind a box, it is compiled once for all of them. This is what keeps the page small.

use leptos::prelude::*;

/// A part of a view that is made anew when a signal that `make` reads changes.
pub fn dynamic<V>(make: impl Fn() -> V + Send + 'static) -> AnyView
where
    V: IntoView + 'static,
{
    of_box(Box::new(move || make().into_any()))
}

fn of_box(make: Box<dyn Fn() -> AnyView + Send>) -> AnyView {
    (move || make()).into_any()
}

/// The value of an attribute, a class, a style or a property, which follows the signals that `read` reads.
pub fn follow<V: 'static>(read: impl Fn() -> V + Send + 'static) -> Box<dyn Fn() -> V + Send> {
    Box::new(read)
}

/// What happens on an event.
pub fn handler<E: 'static>(handle: impl FnMut(E) + 'static) -> Box<dyn FnMut(E)> {
    Box::new(handle)
}

/// What follows from signals; its readers run again only when the value changes.
pub fn memo<T>(read: impl Fn() -> T + Send + Sync + 'static) -> Memo<T>
where
    T: PartialEq + Send + Sync + 'static,
{
    let read: Box<dyn Fn() -> T + Send + Sync> = Box::new(read);
    Memo::new(move |_| read())
}

/// Runs `run` now, and again whenever a signal that it reads changes.
pub fn effect(run: impl FnMut() + 'static) {
    let run: Box<dyn FnMut()> = Box::new(run);
    Effect::new(run);
}
