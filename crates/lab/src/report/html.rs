//! What all pages have in common: one file, and nothing from elsewhere.

use super::svg::{COLOURS, STYLE, escape};
use std::fs::File;
use std::io::Read;
use std::path::Path;

const PAGE_STYLE: &str = "*{box-sizing:border-box}html{-webkit-text-size-adjust:100%}body{margin:0;background:var(--page);color:var(--ink);\
font:15px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}main{max-width:1080px;margin:0 auto;padding:24px 16px 48px}\
h1{font-size:1.5rem;line-height:1.25;margin:0 0 2px}h2{font-size:1.08rem;margin:0 0 10px}p{margin:0 0 8px}.muted{color:var(--muted)}\
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin:18px 0}\
.tile,.card{background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:14px 16px;min-width:0}\
.tile b{display:block;font-size:1.35rem;line-height:1.25;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}.tile span{color:var(--muted);font-size:.86rem}\
.grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr));gap:16px;align-items:start}.grid>.card{margin:0}.card{margin-bottom:16px}\
.wide{margin-top:16px}.part{margin:28px 0 12px}svg.plot{display:block;width:100%;height:auto}.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.9rem;font-variant-numeric:tabular-nums}\
th,td{text-align:right;padding:5px 8px;border-bottom:1px solid var(--rule);white-space:nowrap}th{color:var(--muted);font-weight:500}\
th:first-child,td:first-child{text-align:left;padding-left:0}tr:last-child td{border-bottom:0}\
code,pre{font:12.5px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}pre,.net{white-space:pre-wrap;overflow-wrap:anywhere;background:var(--page);\
border-radius:8px;padding:10px 12px;margin:0 0 10px}.meter{height:8px;border-radius:4px;background:var(--rule);overflow:hidden;margin:3px 0 10px}\
.meter i{display:block;height:100%;background:var(--c1)}.meter.binds i{background:var(--c2)}.row{display:flex;justify-content:space-between;gap:12px;flex-wrap:wrap}\
summary{cursor:pointer;color:var(--muted)}details{margin-top:8px}tr.best td{font-weight:600;color:var(--c3)}tr.best td:first-child::before{content:'▸ '}.good{color:var(--c3)}.bad{color:var(--c2)}@media print{.card{break-inside:avoid}}";

/// Says in a page who made it.
const GENERATOR: &str = "<meta name=\"generator\" content=\"edgezen report\">";

/// Has browsers fetch nothing: all that the page needs is in it.
const POLICY: &str = "<meta http-equiv=\"Content-Security-Policy\" \
    content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'\">";

/// Whether the file at `path` is a page that was made here, so that a new one may take its place.
pub fn is_page(path: &Path) -> bool {
    let mut first = Vec::new();
    let is_file = std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file());
    let read = is_file.then(|| File::open(path).and_then(|file| file.take(1 << 12).read_to_end(&mut first)));
    matches!(read, Some(Ok(_))) && String::from_utf8_lossy(&first).contains(GENERATOR)
}

/// A page; `style` and `script` are what it has beyond the others.
pub(super) fn document(title: &str, style: &str, main: &str, script: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n{POLICY}\n{GENERATOR}\n<title>{}</title>\n\
         <style>{COLOURS}{STYLE}{PAGE_STYLE}\n{style}</style>\n</head>\n<body><main>\n{main}</main>\n{script}</body>\n</html>\n",
        escape(title)
    )
}

pub(super) fn card(title: &str, content: &str) -> String {
    format!("<section class=\"card\"><h2>{}</h2>{content}</section>\n", escape(title))
}

pub(super) fn tile(value: &str, name: &str) -> String {
    format!("<div class=\"tile\"><b>{}</b><span>{}</span></div>\n", escape(value), escape(name))
}

/// A table as HTML; its header and cells are escaped here.
pub(super) fn table(header: &[impl AsRef<str>], rows: &[Vec<String>]) -> String {
    let mut out = String::from("<div class=\"scroll\"><table><thead><tr>");
    for cell in header {
        out += &format!("<th>{}</th>", escape(cell.as_ref()));
    }
    out += "</tr></thead><tbody>\n";
    for row in rows {
        let cells: String = row.iter().map(|cell| format!("<td>{}</td>", escape(cell))).collect();
        out += &format!("<tr>{cells}</tr>\n");
    }
    out + "</tbody></table></div>"
}
