//! The part of the page that answers questions: budgets are moved by hand over the stored networks, a network is chosen in a plot or
//! in the table, and copied or saved. It works without the network; without its script, the plots and the table remain.

mod data;

pub use data::Data;

use super::Plot;
use super::svg::escape;

/// The script of the page.
pub const SCRIPT: &str = include_str!("explore.js");
/// What its elements look like.
pub const STYLE: &str = include_str!("explore.css");

/// Plots of the front, the controls, the chosen network, and the table of all networks.
pub fn card(data: &Data, fronts: &[&Plot]) -> String {
    let mut out =
        String::from("<section class=\"card\" id=\"explore\"><h2>The front</h2>\n<div class=\"two\">\n<div>");
    for plot in fronts {
        out += &format!("<h3>{}</h3>{}\n", escape(&plot.drawing.title), plot.drawing.inline());
    }
    out += "</div>\n<div id=\"controls\" hidden>\
         <p class=\"muted\">Move the budgets over the stored networks; choose a network in a plot or in the table.</p>\
         <div id=\"runs\"></div><div id=\"sliders\"></div><p id=\"fits\" aria-live=\"polite\"></p>\
         <div class=\"buttons\"><button id=\"reset\">Budgets of the run</button><button id=\"loose\">No budgets</button>\
         <button id=\"csv-fits\">CSV of what fits</button><button id=\"csv-all\">CSV of all</button></div></div>\n</div>\n\
         <section id=\"picked\" hidden aria-label=\"The chosen network\"></section>\n";
    out += &table(data);
    out += "</section>\n";
    out
}

/// The data and the script, for the end of the page.
pub fn script(data: &Data) -> String {
    format!(
        "<script type=\"application/json\" id=\"data\">{}</script>\n<script>{SCRIPT}</script>\n",
        json(data)
    )
}

/// The data as JSON that cannot end the element it stands in.
fn json(data: &Data) -> String {
    // Numbers and texts alone: there is nothing in them that JSON could not hold.
    let text =
        serde_json::to_string(data).unwrap_or_else(|_| "{\"columns\":[],\"runs\":[],\"nets\":[]}".into());
    text.replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

fn table(data: &Data) -> String {
    let several = data.runs.len() > 1;
    let mut out = format!(
        "<details open><summary id=\"count\">All {} networks, spread over the range</summary>\
         <div class=\"scroll tall\" tabindex=\"0\"><table id=\"nets\"><thead><tr>",
        data.nets.len()
    );
    for column in &data.columns {
        out += &format!("<th scope=\"col\">{}</th>", escape(&column.title));
    }
    out +=
        if several { "<th scope=\"col\">run</th></tr></thead><tbody>\n" } else { "</tr></thead><tbody>\n" };
    for (place, net) in data.nets.iter().enumerate() {
        let mark = if net.best { " class=\"best\" aria-label=\"best\"" } else { "" };
        out += &format!("<tr{mark} data-net=\"{place}\">");
        for cell in &net.cells {
            let text = cell.as_ref().map_or(super::tables::NOTHING, |cell| &cell.text);
            out += &format!("<td>{}</td>", escape(text));
        }
        if several {
            out += &format!("<td>{}</td>", escape(&data.runs[net.run].name));
        }
        out += "</tr>\n";
    }
    out + "</tbody></table></div></details>\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_ends_the_script() {
        let name = "</script><script>alert(1)</script>\u{2028}".to_owned();
        let runs = vec![data::RunRow { name: name.clone(), options: String::new() }];
        let written = json(&Data { columns: Vec::new(), runs, nets: Vec::new() });
        assert!(!written.contains('<') && !written.contains('\u{2028}'), "{written}");
        let read: serde_json::Value = serde_json::from_str(&written).unwrap();
        assert_eq!(read["runs"][0]["name"], name);
    }
}
