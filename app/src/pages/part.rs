//! Pages as parts of the program that are loaded when they are first shown.
//!
//! With the feature `split`, `scripts/build` divides the program where [`parts!`] says. Without it the program is one file, and a
//! page is there at once.

use std::future::Future;
use std::pin::Pin;
use std::sync::OnceLock;

use leptos::prelude::*;
use leptos::task::spawn_local;
pub use leptos::wasm_split::SplitLoaderError as NotLoaded;

use super::title::set_title;
use crate::routes::Page;
use crate::ui::erase::dynamic;
use crate::ui::{Failure, Skeleton};

/// Makes the page.
pub type Make = fn() -> AnyView;

/// Answers when the part is there.
pub type Load = fn() -> Pin<Box<dyn Future<Output = Result<Make, NotLoaded>>>>;

/// A page that may not be loaded yet.
pub struct Part {
    page: Page,
    load: Load,
    make: OnceLock<Make>,
}

impl Part {
    pub const fn new(page: Page, load: Load) -> Self {
        Self { page, load, make: OnceLock::new() }
    }

    /// Loads the part while nothing of it is shown yet. A failure is found again when it is shown.
    pub fn prepare(&'static self) {
        if self.make.get().is_none() {
            spawn_local(async {
                if let Ok(make) = (self.load)().await {
                    let _ = self.make.set(make);
                }
            });
        }
    }

    /// The page, or what stands in its place until it is loaded.
    pub fn show(&'static self) -> AnyView {
        match self.make.get() {
            Some(make) => make(),
            None => self.show_loading(),
        }
    }

    fn show_loading(&'static self) -> AnyView {
        set_title(self.page.name());
        let loaded = RwSignal::new(None);
        spawn_local(async move {
            let answer = (self.load)().await;
            if let Ok(make) = answer {
                let _ = self.make.set(make);
            }
            // Whoever left meanwhile has taken the signal along.
            let _ = loaded.try_set(Some(answer.ok()));
        });
        dynamic(move || {
            match loaded.get() {
            Some(Some(make)) => make(),
            Some(None) => self.outline(view! {
                <Failure
                    title="This page could not be loaded."
                    detail="memdeck does not answer, or was updated since this tab was opened. Reload the page."
                    action="Reload"
                    on_retry=|()| reload()
                />
            }.into_any()),
            None => self.outline(view! { <Skeleton rows=6 label="Loading the page" /> }.into_any()),
        }
        })
    }

    fn outline(&self, content: AnyView) -> AnyView {
        view! {
            <header class="page-head">
                <h1>{self.page.name()}</h1>
            </header>
            {content}
        }
        .into_any()
    }
}

fn reload() {
    let _ = window().location().reload();
}

/// What loads each page, and how it is made: `PART / NAME: PAGE => COMPONENT`. Pages of one part come together; what several
/// parts use comes in further files, one for each combination of parts, so there are few parts. NAME is the page's address with
/// `_` for `-`, by which `scripts/lib/place-parts.mjs` knows what a visited page needs.
macro_rules! parts {
    ($($part:ident / $name:ident: $page:ident => $component:path),* $(,)?) => {
        $(
            #[cfg(feature = "split")]
            #[leptos::wasm_split::wasm_split($part, wasm_split_path = leptos::wasm_split, fallible)]
            fn $name() -> Result<part::Make, part::NotLoaded> {
                Ok(|| $component().into_any())
            }

            #[cfg(not(feature = "split"))]
            async fn $name() -> Result<part::Make, part::NotLoaded> {
                std::future::ready(Ok((|| $component().into_any()) as part::Make)).await
            }
        )*

        /// The program of a page.
        pub fn part_of(page: Page) -> &'static Part {
            match page {
                $(Page::$page => {
                    static PART: Part = Part::new(Page::$page, || Box::pin($name()));
                    &PART
                })*
            }
        }
    };
}
pub(super) use parts;
