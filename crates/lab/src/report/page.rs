//! The page of a run.

use super::html::{self, card, table, tile};
use super::svg::escape;
use super::tables::{self, BudgetRow, EditRow, Table, VerifiedRow, ms};
use super::{Plot, Report, caveats, explore, together, trained};
use crate::runs::Verified;
use edgezen_core::search::Quantity;
use edgezen_core::search::explain::EditEffect;
use edgezen_core::units::{Latency, Macs, Params};

/// The page with these plots of the run, and those of its trainings.
pub(super) fn page(report: &Report, plots: &[Plot], of_trained: &[Plot]) -> String {
    let title = title(report);
    let mut main =
        format!("<h1>{}</h1>\n<p class=\"muted\">{}</p>\n", escape(&title), escape(&subtitle(report)));
    main += &tiles(report);
    let data = report.data();
    let (fronts, others): (Vec<&Plot>, Vec<&Plot>) = plots.iter().partition(|plot| plot.is_front());
    main += &explore::card(&data, &fronts);
    if !report.beside.is_empty() {
        main += &card("The runs side by side", &side_by_side(report));
    }
    main += "<div class=\"grid\">\n";
    for plot in others {
        main += &format!(
            "<section class=\"card\"><h2>{}</h2>{}</section>\n",
            escape(&plot.drawing.title),
            plot.drawing.inline()
        );
    }
    main += &card("Use of the budgets", &budgets(report));
    main += &card("Cheapest edits of the best network", &edits(report));
    main += "</div>\n<div class=\"wide\">\n";
    if !report.first.result.verified.is_empty() {
        main += &card("Measured on the device", &verified(report));
    }
    main += &card("The best network", &best(report));
    main += "</div>\n";
    if let Some(finalists) = &report.finalists {
        main += "<h2 class=\"part\">Trained networks of this run</h2>\n";
        main += &trained::cards(finalists, of_trained);
    }
    main += "<div class=\"wide\">\n";
    if !report.comparisons.is_empty() {
        main += &card("Known networks under the same conditions", &comparisons(report));
    }
    main += &card("How the search went", &statistics(report));
    main += &card("To repeat this run", &repeat(report));
    main += "</div>\n";
    html::document(&title, explore::STYLE, &main, &explore::script(&data))
}

/// What was searched for.
fn title(report: &Report) -> String {
    let m = &report.first.manifest;
    let mut budgets: Vec<String> = m
        .device
        .iter()
        .filter_map(|device| Some(format!("{} on {}", device.printed_limit()?, device.name)))
        .collect();
    let quantities = Quantity::starting_with(&[Quantity::Params, Quantity::Flops, Quantity::Memory]);
    budgets.extend(quantities.filter_map(|quantity| Some(quantity.phrase(m.budget.limits[quantity]?))));
    format!("The best network within {}", budgets.join(", "))
}

fn subtitle(report: &Report) -> String {
    let (m, r) = (&report.first.manifest, &report.first.result);
    let names: Vec<&str> = report.beside.iter().map(|run| run.name.as_str()).collect();
    let beside = if names.is_empty() { String::new() } else { format!("; beside it {}", names.join(", ")) };
    format!(
        "edgezen {}, {} space, {}×{} images, {} classes, {} rules, {} iterations, seed {}{}",
        m.tool_version,
        m.space,
        m.resolution,
        m.resolution,
        m.classes,
        r.rules.name(),
        r.iterations,
        r.seed,
        m.preset.as_ref().map(|name| format!(", preset {name}")).unwrap_or_default()
    ) + &beside
}

fn tiles(report: &Report) -> String {
    let best = &report.first.result.best;
    let mut out = String::from("<div class=\"tiles\">\n");
    out += &tile(&format!("{:.2}", best.score), &report.score_name());
    for device in &report.first.manifest.device {
        let Some(predicted) = best.on(&device.name) else { continue };
        let limit = device.printed_limit().map(|limit| format!(" of {limit}")).unwrap_or_default();
        // What was measured is the answer; the prediction stands beside it.
        let measured =
            report.first.result.verified.iter().find(|row| row.net == best.net && row.device == device.name);
        let (from, to) = predicted.ends();
        let (value, interval) = (predicted.value(), format!("{from} to {to}"));
        match measured {
            Some(row) => {
                let about =
                    format!("measured on {}{limit}; predicted {value}, {interval}", device.in_words());
                out += &tile(&ms(row.measured_ms), &about);
            }
            None => {
                let about = format!("predicted on {}{limit}; 90 % interval {interval}", device.in_words());
                out += &tile(&value, &about);
            }
        }
    }
    for quantity in Quantity::starting_with(&[Quantity::Params, Quantity::Flops]) {
        if let Some(value) = best.amounts[quantity] {
            out += &tile(&quantity.print(value), quantity.title());
        }
    }
    out + "</div>\n"
}

fn budgets(report: &Report) -> String {
    let mut out = String::new();
    for (i, used) in report.first.result.explanation.budgets.iter().enumerate() {
        let row = BudgetRow::from(used);
        out += &format!(
            "<div class=\"row\"><span>{}</span><span>{} of {}</span></div><div class=\"meter{}\"><i style=\"width:{:.1}%\"></i></div>\n",
            escape(&row.budget),
            row.used,
            row.limit,
            if i == 0 { " binds" } else { "" },
            100.0 * row.share.clamp(0.0, 1.0)
        );
    }
    out + "<p class=\"muted\">The first one, the fullest, limits the search most.</p>"
}

fn edits(report: &Report) -> String {
    let edits = &report.first.result.explanation.edits;
    let unit = tables::edit_cost(edits);
    let row = |effect: &EditEffect| {
        let EditRow { block, change, score, cost, fits } = effect.into();
        vec![format!("{block}: {change}"), score, cost, fits.to_owned()]
    };
    let part = |title: &str, list: &[EditEffect]| {
        if list.is_empty() {
            return format!("<p class=\"muted\">{title}: none.</p>");
        }
        let rows: Vec<Vec<String>> = list.iter().map(row).collect();
        format!("<p class=\"muted\">{title}</p>{}", table(&["block: change", "score", &unit, "fits"], &rows))
    };
    part("Most score for what it costs", &edits.gain)
        + "<br>"
        + &part("Least score lost for what it saves", &edits.save)
}

fn verified(report: &Report) -> String {
    let row = |verified: &Verified| {
        let row = VerifiedRow::from(verified);
        let marks = [row.in_interval, row.in_budget, row.quality].map(str::to_owned);
        let values = [tables::cell(row.score), row.predicted, row.interval, row.measured];
        values.into_iter().chain(marks).collect()
    };
    let rows: Vec<Vec<String>> = report.first.result.verified.iter().map(row).collect();
    let header = ["score", "predicted", "90 % interval", "measured", "in interval", "in budget", "quality"];
    let mut out = table(&header, &rows);
    if let Some(verification) = &report.first.result.verification {
        let said = caveats::of_verification(verification);
        out += &said.map(|said| format!("<p class=\"muted\">{}</p>", escape(&said))).unwrap_or_default();
        out += &format!(
            "<p class=\"muted\">{} of {} asked for are inside the budget, in {} rounds. After each round the predictor is corrected by what was measured; the last factor is {:.3}.</p>",
            verification.inside_budget,
            verification.asked,
            verification.rounds.len(),
            verification.rounds.last().map_or(1.0, |round| round.refitted)
        );
    }
    out
}

fn best(report: &Report) -> String {
    let best = &report.first.result.best;
    let mut out = format!("<div class=\"net\"><code>{}</code></div>", escape(&best.net));
    if let Some(said) = caveats::of_winner(&report.first.result) {
        out += &format!("<p>{}</p>", escape(&said));
    }
    for device in &report.first.manifest.device {
        let Some(p) = best.on(&device.name) else { continue };
        let (from, to) = p.ends();
        let what = if p.quantity.is_at_least() {
            " with several under way: no latency of one"
        } else {
            " per image"
        };
        out += &format!(
            "<p>{}: {}{what}, 90 % interval {from} to {to}, by {}, {:.0} % inside its domain.</p>",
            escape(&device.name),
            p.value(),
            escape(&device.predictor_in_words()),
            100.0 * p.coverage
        );
        let limit = device.limit().map(|(_, time)| time);
        for said in caveats::of_predicted(&p, limit, report.first.manifest.budget.confidence) {
            out += &format!("<p>{}</p>", escape(&said));
        }
        if let Some(rows) = report.first.result.extrapolated.get(&device.name).filter(|rows| !rows.is_empty())
        {
            let Table { header, rows } = tables::extrapolated(rows);
            out += &table(&header, &rows);
        }
    }
    for said in caveats::of_shape(&report.first.result) {
        out += &format!("<p>{}</p>", escape(&said));
    }
    out + "<p class=\"muted\">A score is not an accuracy: train the winner, and a runner-up or two, before you rely on it.</p>"
}

/// The runs of the page, with what must be known to compare them.
fn side_by_side(report: &Report) -> String {
    let Table { header, rows } = together::table(report);
    let said = together::caveats(report).into_iter().map(|said| format!("<p>{}</p>", escape(&said)));
    let note = "<p class=\"muted\">What follows is about the first of them.</p>".to_owned();
    table(&header, &rows) + &said.collect::<String>() + &note
}

fn comparisons(report: &Report) -> String {
    let devices: Vec<&str> = report.first.manifest.device.iter().map(|device| device.name.as_str()).collect();
    let mut header = vec!["network", "score", "parameters", "FLOPs"];
    header.extend(&devices);
    let mut sampled = false;
    let rows: Vec<Vec<String>> = report
        .comparisons
        .iter()
        .map(|c| {
            sampled |= c.sampled && c.score.is_some();
            let star = if c.sampled { " *" } else { "" };
            let mut row = vec![
                c.name.clone(),
                tables::cell(c.score.map(|score| format!("{score:.2}{star}"))),
                Params(c.params).to_string(),
                Macs(c.flops).to_string(),
            ];
            row.extend(devices.iter().map(|&device| {
                let states = report.first.result.best.on(device).map_or(Quantity::Latency, |p| p.quantity);
                let printed = |&ms: &f64| states.print(Latency::from_ms(ms).ns());
                tables::cell(c.latency_ms.get(device).map(printed))
            }));
            row
        })
        .collect();
    let note = if sampled {
        " * by one forward pass of random weights, not by the formula of the search."
    } else {
        ""
    };
    table(&header, &rows)
        + &format!(
            "<p class=\"muted\">Latencies and throughputs are predicted. Squeeze-excite is left out, as in the search.{note}</p>"
        )
}

fn statistics(report: &Report) -> String {
    let r = &report.first.result;
    let share = |count: u64| format!("{:.1} %", 100.0 * count as f64 / r.iterations.max(1) as f64);
    let rejected = &r.rejected;
    let mut rows = vec![vec!["scored".to_owned(), r.scored.to_string(), share(r.scored)]];
    for (name, count) in rejected.reasons() {
        if count > 0 {
            rows.push(vec![name.to_owned(), count.to_string(), share(count)]);
        }
    }
    let p = &r.seconds_by_phase;
    format!(
        "<p>{} iterations in {:.2} s ({} per second); seconds of all threads together: {:.2} for mutation, {:.2} for budgets, {:.2} for scores.</p>{}",
        r.iterations,
        r.seconds,
        Macs(r.iterations as f64 / r.seconds.max(1e-9)),
        p.mutate,
        p.budget,
        p.score,
        table(&["candidates", "number", "share"], &rows)
    )
}

fn repeat(report: &Report) -> String {
    format!(
        "<p>The same version, seed and predictors give the same networks, with any number of threads.</p><pre>{}</pre>\
         <details open><summary>run.toml</summary><pre>{}</pre></details>",
        escape(&report.command),
        escape(report.manifest_text.trim_end())
    )
}
