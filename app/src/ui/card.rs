//! A titled part of a page.

use leptos::prelude::*;

use super::erase::dynamic;

/// A region named by its heading.
#[component]
pub fn Card(
    /// The id of the heading.
    id: &'static str,
    title: &'static str,
    /// What stands at the end of the heading's line.
    #[prop(optional, into)]
    aside: ViewFn,
    /// A class of its own, for the page's layout.
    #[prop(optional)]
    class: &'static str,
    children: Children,
) -> impl IntoView {
    view! {
        <section class=format!("card {class}") aria-labelledby=id>
            <header class="card-head">
                <h2 class="card-title" id=id>
                    {title}
                </h2>
                {dynamic(move || aside.run())}
            </header>
            {children()}
        </section>
    }
}
