//! What the operator must know of rows that other tools wrote into InfluxDB: that the table does not hold all of them yet, or
//! that they cannot be read now.

use leptos::prelude::*;
use memdeck_model::ForeignImport;

use crate::data::Data;
use crate::ui::erase::memo;
use crate::ui::{Icon, IconView, Show};
use crate::words::{grouped, sentence};

/// Nothing once all of them have been read.
#[component]
pub fn ImportNotice() -> impl IntoView {
    let overview = Data::expect().overview;
    let told = memo(move || overview.import().and_then(|import| in_words(&import)));
    // How far it is changes each second, and is not read aloud each time.
    let part = |part: fn((&'static str, String)) -> String| memo(move || told.get().map(part));
    let (title, detail) = (part(|(title, _)| title.to_owned()), part(|(_, detail)| detail));
    view! {
        <Show when=move || told.with(Option::is_some)>
            <div class="table-note">
                <IconView icon=Icon::Info />
                <p>
                    <span role="status">{title}</span>
                    " "
                    {detail}
                </p>
            </div>
        </Show>
    }
}

/// What is going on, and how far or why.
fn in_words(import: &ForeignImport) -> Option<(&'static str, String)> {
    if let Some(problem) = &import.problem {
        let why = sentence(&problem.to_string());
        let detail = format!("{why} What was read stays in the table, and memdeck tries again by itself.");
        return Some(("Dumps of other tools cannot be read from InfluxDB now.", detail));
    }
    // Before the first rows nobody knows whether there are any.
    (!import.is_complete && import.rows_read > 0).then(|| {
        let detail = format!("{} so far.", grouped(import.rows_read));
        ("Dumps of other tools are being read from InfluxDB, the oldest first.", detail)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_notice_while_rows_are_missing() {
        let told =
            |import: &ForeignImport| in_words(import).map(|(title, detail)| format!("{title} {detail}"));
        let none = ForeignImport::default();
        assert_eq!(told(&none), None);
        let reading = ForeignImport { rows_read: 12_500, ..none };
        let text = "Dumps of other tools are being read from InfluxDB, the oldest first. 12,500 so far.";
        assert_eq!(told(&reading).unwrap(), text);
        let complete = ForeignImport { is_complete: true, ..reading };
        assert_eq!(told(&complete), None);
        let away = ForeignImport { problem: Some("it is away".into()), ..complete };
        assert_eq!(
            told(&away).unwrap(),
            "Dumps of other tools cannot be read from InfluxDB now. It is away. What was read stays in the table, and \
             memdeck tries again by itself."
        );
    }
}
