//! The result of a search as a person reads it: no line but the structure is wider than 80 columns.

use super::plan::SearchPlan;
use crate::cli::{output, rescore, verify};
use edgezen_core::plainnet::notation;
use edgezen_core::search::Quantity;
use edgezen_core::search::explain::{EditEffect, Explanation, Used};
use edgezen_core::units::{Macs, three_digits};
use edgezen_lab::report::blocks::short;
use edgezen_lab::report::caveats;
use edgezen_lab::report::tables::{self, BudgetRow, EditRow, VerifiedRow};
use edgezen_lab::runs::{FoundNetwork, SearchResult};

/// Networks of the front that are shown.
const SHOWN: usize = 8;

pub fn text(result: &SearchResult, plan: &SearchPlan) -> String {
    let devices: Vec<&str> = plan.budgets.devices().iter().map(|device| device.name.as_str()).collect();
    let mut out = best(result, plan);
    out += &format!("\n{}", blocks(&result.explanation, &devices));
    out += &format!("\n{}", budgets(&result.explanation.budgets));
    out += &edits(&result.explanation);
    out += &format!("\n{}", front(&result.front, &devices));
    out += &statistics(result);
    out += &verification(result);
    if let Some(rescored) = &result.rescored {
        out += &format!("\n{}", rescore::text(rescored));
    }
    out += &format!("\nwritten to {}; edgezen report {} draws it\n", result.run_dir, result.run_dir);
    out
}

/// The best network: its structure, score and costs, and its latency or throughput on each device.
fn best(result: &SearchResult, plan: &SearchPlan) -> String {
    let best = &result.best;
    let mut out = format!("{}\n\n", best.net);
    let score = if result.proxy == "zen" { "Zen-Score" } else { &result.proxy };
    out += &format!("{score} {:.2} ({} mode)", best.score, result.mode);
    for quantity in Quantity::always_known() {
        out += &best.amounts[quantity].map(|n| format!(", {}", quantity.phrase(n))).unwrap_or_default();
    }
    out += "\n";
    out += &caveats::of_winner(result).map(|sentence| output::paragraph(&sentence)).unwrap_or_default();
    for (index, device) in plan.budgets.devices().iter().enumerate() {
        let Some(predicted) = best.on(&device.name) else { continue };
        if device.predictor.identity().is_own() {
            let limit = plan.budgets.time_limit(index);
            let budget =
                limit.map(|limit| format!(", budget {}", predicted.print(limit))).unwrap_or_default();
            out += &format!("{}: {} by a function of the caller{budget}\n", device.name, predicted.value());
            continue;
        }
        let limit = plan.budgets.time_limit(index);
        let budget = limit.map(|limit| format!(", budget {}", predicted.print(limit))).unwrap_or_default();
        let (from, to) = predicted.ends();
        let (value, interval) = (predicted.value(), format!("{from} to {to}"));
        let measured = result.verified.iter().rfind(|row| row.net == best.net && row.device == device.name);
        // What was measured is the answer; the prediction stands beside it.
        out += &match measured {
            Some(row) => {
                let row = VerifiedRow::from(row);
                format!(
                    "{}: {} measured ({}){budget}\n  predicted {value}, 90 % interval {interval}\n",
                    device.name, row.measured, row.quality
                )
            }
            None => format!("{}: {value} predicted{budget}\n  90 % interval {interval}\n", device.name),
        };
        if predicted.quantity.is_at_least() {
            out += "  with several images under way: no latency of one\n";
        }
        out += &format!(
            "  by {}, {:.0} % inside its domain\n",
            device.predictor.identity().in_words(),
            100.0 * predicted.coverage
        );
        if measured.is_none() {
            let said = caveats::of_predicted(&predicted, limit, plan.budgets.confidence);
            out += &said.iter().map(|sentence| output::paragraph(sentence)).collect::<String>();
        }
        if let Some(rows) = result.extrapolated.get(&device.name).filter(|rows| !rows.is_empty()) {
            out += &format!("\n{}", output::of_table(&tables::extrapolated(rows)));
        }
    }
    out += &caveats::of_shape(result).iter().map(|sentence| output::paragraph(sentence)).collect::<String>();
    if plan.se {
        out += &output::paragraph(
            "The network is built with squeeze-excite: its costs contain it, the score does not see it. The structure \
             does not say so: give --se to commands that read it.",
        );
    }
    out
}

fn statistics(result: &SearchResult) -> String {
    let share = 100.0 * result.scored as f64 / result.iterations.max(1) as f64;
    format!(
        "\n{} iterations in {:.1} s ({} per second), {share:.0} % within the budgets\n",
        result.iterations,
        result.seconds,
        Macs(result.iterations as f64 / result.seconds.max(1e-9)),
    )
}

/// What was measured, and what it says of the predictor; empty without `--verify`.
fn verification(result: &SearchResult) -> String {
    let mut out = String::new();
    if !result.verified.is_empty() {
        out += &format!("\n{}", verify::text(&result.verified));
    }
    if let Some(verification) = &result.verification {
        out +=
            &caveats::of_verification(verification).map(|said| output::paragraph(&said)).unwrap_or_default();
        let last = verification.rounds.last().map_or(1.0, |round| round.refitted);
        out += &format!(
            "{} of {} inside the budget, in {} rounds; what was measured corrects the\n  predictor by {last:.3}\n",
            verification.inside_budget,
            verification.asked,
            verification.rounds.len(),
        );
    }
    out
}

/// One row for each block.
fn blocks(explanation: &Explanation, devices: &[&str]) -> String {
    let devices = &devices[..devices.len().min(2)];
    let mut header = vec!["block", "in", "out", "stride", "hidden", "depth", "side"];
    let titles: Vec<String> = devices.iter().map(|device| format!("{}, ms", cut(device, 9))).collect();
    header.extend(titles.iter().map(String::as_str));
    header.push("score");
    let latency = |ms: Option<&f64>| tables::cell(ms.map(|&ms| three_digits(ms)));
    let mut rows = Vec::new();
    for share in &explanation.blocks {
        let block = notation::parse(&share.block).ok().and_then(|n| n.super_blocks("").ok());
        let Some(&[block]) = block.as_deref() else { continue };
        let hidden = if block.kind.is_conv() { String::new() } else { block.bottleneck.to_string() };
        let mut row = vec![
            short(&share.block).to_owned(),
            block.in_c.to_string(),
            block.out_c.to_string(),
            block.stride.to_string(),
            hidden,
            block.sublayers.to_string(),
            share.side.to_string(),
        ];
        row.extend(devices.iter().map(|&d| latency(share.latency_ms.get(d))));
        row.push(tables::cell(share.score.map(|score| format!("{score:.1}"))));
        rows.push(row);
    }
    if !devices.is_empty() {
        let mut row = vec!["classifier".to_owned()];
        row.extend(std::iter::repeat_n(String::new(), 6));
        row.extend(devices.iter().map(|&d| latency(explanation.classifier_ms.get(d))));
        row.push(String::new());
        rows.push(row);
    }
    output::table(&header, &rows)
}

fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

/// What is used of each budget, the fullest first; empty without budgets.
fn budgets(budgets: &[Used]) -> String {
    let line = |used: &Used| {
        let BudgetRow { budget, used, limit, share } = used.into();
        format!("  {budget}: {used} of {limit} ({:.1} %)\n", 100.0 * share)
    };
    let lines: String = budgets.iter().map(line).collect();
    match budgets {
        [] => lines,
        [_] => format!("used of the budget:\n{lines}"),
        _ => format!("used of the budgets; the first one, the fullest, limits the search most:\n{lines}"),
    }
}

/// The first edits that gain score, then those that save costs.
fn edits(explanation: &Explanation) -> String {
    let edits = &explanation.edits;
    let row = |effect: &EditEffect| {
        let EditRow { block, change, score, cost, fits } = effect.into();
        vec![format!("block {block}"), change, score, cost, fits.to_owned()]
    };
    let rows: Vec<Vec<String>> =
        edits.gain.iter().take(3).chain(edits.save.iter().take(3)).map(row).collect();
    if rows.is_empty() {
        return String::new();
    }
    let cost = tables::edit_cost(edits);
    format!("\n{}", output::table(&["cheapest edits", "", "score", &cost, "fits"], &rows))
}

/// A few networks of the front on the first device, the last of them the best.
fn front(front: &[FoundNetwork], devices: &[&str]) -> String {
    let on_first =
        |found: &&FoundNetwork| devices.first().is_none_or(|d| found.on_front.iter().any(|on| on == d));
    let front: Vec<&FoundNetwork> = front.iter().filter(on_first).collect();
    let n = front.len();
    let count = SHOWN.min(n);
    let places = (0..count).map(|i| if count < 2 { 0 } else { i * (n - 1) / (count - 1) });
    let picked = places.clone().map(|place| front[place]);
    let table = tables::front(picked, &devices[..devices.len().min(3)]);
    let header: Vec<&str> = std::iter::once("front").chain(table.header.iter().map(String::as_str)).collect();
    let first = places.map(|place| format!("{} of {n}", place + 1));
    let rows: Vec<Vec<String>> =
        first.zip(table.rows).map(|(first, row)| std::iter::once(first).chain(row).collect()).collect();
    output::table(&header, &rows)
}
