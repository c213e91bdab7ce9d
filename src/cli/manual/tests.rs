use super::*;

#[test]
fn every_command_has_a_page_for_man() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("man");
    let files = write_man(&folder, Force::default()).unwrap();
    for name in ["edgezen.1", "edgezen-search.1", "edgezen-jobs-plan.1", "edgezen-devices-show.1"] {
        assert!(files.iter().any(|file| file == name), "{name} of {files:?}");
    }
    assert!(!files.iter().any(|file| file.contains("launch") || file.contains("help")), "{files:?}");
    for name in &files {
        let page = std::fs::read_to_string(folder.join(name)).unwrap();
        assert!(page.contains(".TH ") && page.contains(".SH NAME"), "{name}: {page}");
        assert!(!page.contains("\x1b"), "{name}");
    }
    let search = std::fs::read_to_string(folder.join("edgezen-search.1")).unwrap();
    assert!(search.contains(".SH EXAMPLES\n  edgezen search") && search.contains("\"edgezen 0."), "{search}");
    assert!(search.contains("verify") && search.contains("edgezen search \\-\\-device pixel2"), "{search}");
    // Again is harmless; a page that somebody changed stays.
    write_man(&folder, Force::default()).unwrap();
    std::fs::write(folder.join("edgezen.1"), "mine").unwrap();
    assert_eq!(write_man(&folder, Force::default()).unwrap_err().exit, crate::cli::Exit::Usage);
    write_man(&folder, Force { force: true }).unwrap();
}

#[test]
fn a_command_is_found_by_its_words() {
    let program = program();
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let section = markdown::section(find(&program, &words("jobs plan")).unwrap());
    assert!(section.starts_with("### edgezen jobs plan\n\nCut work into files"), "{section}");
    assert!(section.contains("* `--nets-from FILE`: More of them, one a line\n"), "{section}");
    assert!(
        find(&program, &words("jobs planning")).unwrap_err().message.contains("edgezen jobs has no command")
    );
}

#[test]
fn a_page_names_every_command_once() {
    let page = markdown::page(&program());
    for heading in ["## edgezen search", "### edgezen jobs plan", "## edgezen completions"] {
        assert_eq!(page.matches(&format!("\n{heading}\n")).count(), 1, "{heading}");
    }
    assert!(!page.contains("edgezen launch") && !page.contains("edgezen help"));
}
