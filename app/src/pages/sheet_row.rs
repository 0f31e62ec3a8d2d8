//! A row of what was read inside of a guest.

use leptos::prelude::*;

use crate::ui::{Badge, Icon, Tone};
use crate::words::{RowMark, SheetRow};

/// The row, with a further mark behind its name, if there is one.
pub fn sheet_row(row: &SheetRow, columns: &[String], further_mark: Option<AnyView>) -> AnyView {
    let mut cells = row.cells.iter().cloned();
    let first = cells.next().unwrap_or_default();
    // On a phone each cell says what it is.
    let further = cells.zip(columns.iter().skip(1).cloned()).map(|(cell, column)| {
        view! {
            <td role="cell" data-label=column class="number">
                {cell}
            </td>
        }
    });
    let mark = row.mark.map(|mark| {
        let (tone, icon, word) = match mark {
            RowMark::Hidden => (Tone::Bad, Icon::Alert, "Hidden"),
            RowMark::Ended => (Tone::Neutral, Icon::Power, "Ended"),
            RowMark::Taints => (Tone::Waiting, Icon::Alert, "Taints the kernel"),
        };
        view! {
            " "
            <Badge tone icon>
                {word}
            </Badge>
        }
    });
    // Deep in a tree there is still room for the name.
    let indent = format!("min({}rem, 40%)", row.depth);
    view! {
        <tr role="row">
            <th scope="row" role="rowheader">
                <span class="inside-row" style:padding-left=indent>
                    <span class="inside-name">{first}</span>
                    {mark}
                    {further_mark}
                </span>
            </th>
            {further.collect_view()}
        </tr>
    }
    .into_any()
}
