//! The page: the lines as tables in Markdown, with the worst one first.

use super::{ALL, DEFAULT, Line, Report};
use std::fmt::Write;

pub fn write(report: &Report) -> String {
    let mut page = String::from("# Scores and the accuracy of trained networks\n\n");
    if let Some(line) = report.worst()
        && let Some(of) = line.correlation
    {
        let _ = writeln!(
            page,
            "**Worst for {DEFAULT}:** {}, {} ({} networks): Kendall τ {:.3} ± {:.3}.\n",
            line.table, line.group, line.networks, of.kendall, of.kendall_se
        );
    }
    page.push_str(
        "τ is Kendall's rank correlation with the trained accuracy, ρ is Spearman's; ± is one standard error (bootstrap). \
         A regret is how many points of accuracy the network that a score chooses lies below the best one within the same \
         budget, on the mean over budgets that a tenth to nine tenths of the networks keep, with the interval that holds \
         nine of ten resampled tables.\n",
    );
    for (name, left_out) in &report.left_out {
        let _ = writeln!(
            page,
            "\nOf `{name}`, {} rows name networks that the program does not know.",
            left_out.len()
        );
    }
    let mut tables: Vec<&str> = Vec::new();
    for line in &report.lines {
        if !tables.contains(&&*line.table) {
            tables.push(&line.table);
        }
    }
    for table in tables {
        let lines = || report.lines.iter().filter(move |line| line.table == table);
        let _ = writeln!(page, "\n## {table}\n");
        page.push_str("| score | networks | τ | ρ |\n|---|---|---|---|\n");
        for line in lines().filter(|line| !divides(line)) {
            let Some(of) = line.correlation else { continue };
            let note = if line.group == ALL { String::new() } else { format!(" ({})", line.group) };
            let _ = writeln!(
                page,
                "| {}{note} | {} | {:.3} ± {:.3} | {:.3} ± {:.3} |",
                line.proxy, line.networks, of.kendall, of.kendall_se, of.spearman, of.spearman_se
            );
        }
        let divided: Vec<&Line> = lines().filter(|line| divides(line)).collect();
        matrix(&mut page, "τ within", &divided, |line| {
            line.correlation.map(|of| format!("{:.2}", of.kendall))
        });
        let bounded: Vec<&Line> = lines().filter(|line| line.regret.is_some()).collect();
        matrix(&mut page, "regret under", &bounded, |line| {
            line.regret.map(|of| format!("{:.2} ({:.2}–{:.2})", of.points, of.lower, of.upper))
        });
    }
    page
}

/// Whether a line is of a part of the table that has a row of its own.
fn divides(line: &Line) -> bool {
    line.regret.is_none()
        && line.group != ALL
        && line.group != "not drawn"
        && !line.group.starts_with("sample")
}

/// A table with a row for each group and a column for each score.
fn matrix(page: &mut String, head: &str, lines: &[&Line], cell: impl Fn(&Line) -> Option<String>) {
    let (mut groups, mut proxies): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    for line in lines {
        if !groups.contains(&&*line.group) {
            groups.push(&line.group);
        }
        if !proxies.contains(&&*line.proxy) {
            proxies.push(&line.proxy);
        }
    }
    if groups.is_empty() {
        return;
    }
    let _ = writeln!(page, "\n| {head} | {} |\n|---|{}", proxies.join(" | "), "---|".repeat(proxies.len()));
    for group in groups {
        let of = |proxy: &&str| {
            let line = lines.iter().find(|line| line.group == group && line.proxy == **proxy);
            line.and_then(|line| cell(line)).unwrap_or_else(|| "–".to_owned())
        };
        let cells: Vec<String> = proxies.iter().map(of).collect();
        let _ = writeln!(page, "| {} | {} |", group.trim_start_matches("budget "), cells.join(" | "));
    }
}
