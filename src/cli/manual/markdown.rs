//! The commands as a page in Markdown.

use clap::{Arg, ArgAction, Command};

/// All commands, each with its options and examples.
pub fn page(program: &Command) -> String {
    let mut out = String::from(
        "# Commands\n\n\
         `edgezen manual > docs/commands.md` writes this page from the definitions of the options, and a test compares both.\n\
         `edgezen manual --man DIR` writes the same as pages for `man`, and `edgezen completions SHELL` a script that completes\n\
         commands and options. [Conventions](conventions.md) says what holds for all commands: networks, files, exit codes.\n\
         A program with the feature `torch` also has `train`, `finalists`, `experiment table1` and `experiment random`: see\n\
         [deploy.md](deploy.md), [gpu.md](gpu.md) and [table1.md](table1.md).\n\n\
         | command | what it does |\n|---|---|\n",
    );
    for command in shown(program) {
        let name = command.get_name();
        out += &format!("| [`{name}`](#edgezen-{name}) | {} |\n", cell(&about(command)));
    }
    out += "\nEvery command takes these options:\n\n";
    for arg in program.get_arguments().filter(|arg| arg.is_global_set()) {
        out += &item(arg);
    }
    for command in shown(program) {
        out += "\n";
        out += &section(command);
    }
    out
}

/// One command, and those inside it.
pub fn section(command: &Command) -> String {
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
    let level = "#".repeat(name.split(' ').count().min(4));
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:").lines().map(str::trim).collect::<Vec<_>>().join("\n");
    let mut out = format!("{level} {name}\n\n{}.\n\n```text\n{usage}\n```\n", outside_code(&about(command)));
    let own: Vec<&Arg> = command.get_arguments().filter(|arg| is_own(arg)).collect();
    if !own.is_empty() {
        out += "\n";
    }
    // What is written without a dash comes first, as in the usage.
    for positional in [true, false] {
        for arg in own.iter().filter(|arg| arg.is_positional() == positional) {
            out += &item(arg);
        }
    }
    let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let examples: Vec<&str> =
        examples.lines().map(str::trim).filter(|line| line.starts_with("edgezen ")).collect();
    if !examples.is_empty() {
        out += &format!("\n```sh\n{}\n```\n", examples.join("\n"));
    }
    for inner in shown(command) {
        out += "\n";
        out += &section(inner);
    }
    out
}

/// The commands inside `command` that people see.
fn shown(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|inner| !inner.is_hide_set() && inner.get_name() != "help")
}

fn is_own(arg: &Arg) -> bool {
    let answers = matches!(
        arg.get_action(),
        ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong | ArgAction::Version
    );
    !arg.is_global_set() && !arg.is_hide_set() && !answers
}

fn about(command: &Command) -> String {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    one_line(about.trim_end_matches('.'))
}

/// An option with what `--help` says of it.
fn item(arg: &Arg) -> String {
    let value = || {
        let names = arg.get_value_names().unwrap_or_default();
        let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
        if names.is_empty() { arg.get_id().to_string().to_uppercase() } else { names.join(" ") }
    };
    let takes = arg.get_action().takes_values();
    let mut name = match (arg.get_short(), arg.get_long()) {
        _ if arg.is_positional() => value(),
        (Some(short), Some(long)) => format!("-{short}, --{long}"),
        (Some(short), None) => format!("-{short}"),
        (None, Some(long)) => format!("--{long}"),
        (None, None) => value(),
    };
    if takes && !arg.is_positional() {
        name += &format!(" {}", value());
    }
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let mut said = one_line(&help);
    let values: Vec<String> =
        arg.get_possible_values().iter().map(|v| format!("`{}`", v.get_name())).collect();
    if takes && !values.is_empty() && !arg.is_hide_possible_values_set() {
        said = format!("{}; one of {}", said.trim_end_matches('.'), values.join(", "));
    }
    if let Some(variable) = arg.get_env() {
        said += &format!(" [variable: {}]", variable.to_string_lossy());
    }
    let defaults: Vec<String> =
        arg.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
    if takes && !defaults.is_empty() && !arg.is_hide_default_value_set() {
        said += &format!(" [default: {}]", defaults.join(", "));
    }
    format!("* `{name}`: {}\n", outside_code(&said))
}

/// A text of several lines as one.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A text in a cell of a table.
fn cell(text: &str) -> String {
    outside_code(text).replace('|', "\\|")
}

/// A text without what Markdown would take for marks: it is not code, but what stands between backticks is.
fn outside_code(text: &str) -> String {
    let mut code = false;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        code ^= c == '`';
        if !code && matches!(c, '*' | '_' | '<' | '>' | '[' | ']') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
