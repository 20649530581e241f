//! The guide's diff is what its program, which runs as a doctest, has.

const GUIDE: &str = include_str!("../../docs/web.md");

/// The lines of the first block of a language after `heading`.
fn block<'a>(heading: &str, language: &str) -> Vec<&'a str> {
    let section = GUIDE.split_once(heading).unwrap().1;
    let block = section.split_once(&format!("```{language}\n")).unwrap().1;
    block.split_once("```").unwrap().0.lines().collect()
}

#[test]
fn moving_is_at_most_five_lines_and_they_are_those_of_the_program() {
    let heading = "\n## Moving from tower-sessions with Redis\n";
    let (diff, program) = (block(heading, "diff"), block(heading, "rust"));
    let is_changed = |line: &&&str| line.starts_with(['-', '+']);
    assert!((2..=5).contains(&diff.iter().filter(is_changed).count()), "{diff:?}");
    // The first of the new lines connects to a daemon that the program does not have.
    for line in diff.iter().filter(|line| !line.starts_with('-')).skip(1) {
        let line = line.split_at(1).1;
        assert!(program.iter().any(|there| there.trim() == line), "{line}");
    }
}
