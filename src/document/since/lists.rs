//! What changed in a list: runs of what was kept and of what is new, then edits of what was kept.

use super::{Halt, Rope, Since, Stored, Walk, Walks};
use crate::coding::Reader;
use crate::document::list::{ListView, Part};
use crate::document::runs::Fate;
use crate::document::stamps::Stamp;
use crate::document::stored::stored_value;
use crate::schema::Kind;

/// How far a list is.
#[derive(Clone, Debug, Default)]
pub(super) struct ListWalk {
    /// The runs of the parts that are done.
    runs: RunsOut,
    edits: Rope,
    /// The runs of the part whose edits are being written.
    part: Option<PartRuns>,
    /// The first element of it whose edit was not written.
    next: u32,
}

impl Since<'_> {
    /// Writes what changed in one part after another.
    pub(super) fn list(&self, element: &Kind, stored: Stored<'_>, walk: &mut Walk) -> Result<(), Halt> {
        let view = ListView::of(stored.value, stored.stamp, stored.children)?;
        for part in view.parts().skip(walk.page) {
            if self.is_newer(part.newest) {
                self.part(element, part, &mut walk.inside, &mut walk.list)?;
            } else {
                walk.list.runs.keep(u64::from(part.count));
            }
            walk.turn_page();
        }
        std::mem::take(&mut walk.list).finish(&mut walk.out);
        Ok(())
    }

    /// Writes what changed in one part.
    fn part(&self, element: &Kind, part: Part<'_>, inside: &mut Walks, list: &mut ListWalk) -> Result<(), Halt> {
        self.spend(0, part.stamps.heap_bytes())?;
        self.pass(part.count as usize, part.bytes.len())?;
        let runs = match list.part.take() {
            Some(runs) => runs,
            None => {
                self.pause()?;
                let runs = self.part_runs(element, part, inside)?;
                self.advance(inside);
                runs
            }
        };
        let runs = list.part.insert(runs);
        let (mut elements, next) = (part.elements(element), list.next);
        for (index, stamp) in part.stamps.edits().skip_while(|(index, _)| *index < next) {
            // What is new goes out whole with its run.
            if self.is_newer(stamp.newest()) && runs.was_kept(u64::from(index)) {
                self.pause()?;
                self.visit()?;
                let stored = Stored { value: elements.go_to(index)?, stamp: &stamp, children: part.children };
                let mut change = Rope::new();
                if self.change(Some(element), stored, inside, &mut change)? {
                    list.edits.varint(list.runs.new_len + u64::from(index));
                    list.edits.append(change);
                }
                self.advance(inside);
            }
            list.next = index + 1;
        }
        list.runs.take(list.part.take().unwrap_or_default());
        list.next = 0;
        Ok(())
    }

    /// Collects the runs of one part.
    fn part_runs(&self, element: &Kind, part: Part<'_>, walks: &mut Walks) -> Result<PartRuns, Halt> {
        let mut out = PartRuns::default();
        let mut r = Reader::new(part.bytes);
        // Living elements before the run, and those the reader has passed.
        let (mut live, mut passed) = (0, 0);
        for run in part.stamps.runs(part.count) {
            match run.fate(self.base) {
                Some(Fate::Stayed) => out.keep(u64::from(run.count)),
                Some(Fate::Went) => out.old += u64::from(run.count),
                Some(Fate::Came) => {
                    self.visit()?;
                    for _ in passed..live {
                        stored_value(Some(element), &mut r)?;
                    }
                    let mut values = Rope::new();
                    for _ in 0..run.count {
                        let value = stored_value(Some(element), &mut r)?;
                        let stored = Stored { value, stamp: Stamp::none(), children: part.children };
                        self.put(element, stored, walks, &mut values)?;
                    }
                    passed = live + run.count;
                    out.add(u64::from(run.count), values);
                }
                None => {}
            }
            if run.is_live() {
                live += run.count;
            }
        }
        Ok(out)
    }
}

/// One run of the new list.
#[derive(Clone, Debug)]
struct NewRun {
    /// Its first index in the new list or part.
    at: u64,
    count: u64,
    /// Where it starts in the old one; `None` if it is new.
    from: Option<u64>,
    values: Rope,
}

/// The runs of one part, counted from its start, next to each other joined.
#[derive(Clone, Debug, Default)]
struct PartRuns {
    runs: Vec<NewRun>,
    /// Elements of the old part that were passed.
    old: u64,
    new_len: u64,
}

impl PartRuns {
    fn keep(&mut self, count: u64) {
        match self.runs.last_mut() {
            Some(run) if run.from.is_some_and(|from| from + run.count == self.old) => run.count += count,
            _ => self.runs.push(NewRun { at: self.new_len, count, from: Some(self.old), values: Rope::new() }),
        }
        self.old += count;
        self.new_len += count;
    }

    fn add(&mut self, count: u64, values: Rope) {
        match self.runs.last_mut().filter(|run| run.from.is_none()) {
            Some(run) => {
                run.count += count;
                run.values.append(values);
            }
            None => self.runs.push(NewRun { at: self.new_len, count, from: None, values }),
        }
        self.new_len += count;
    }

    /// Whether the element at `index` of the new part was in the old one.
    fn was_kept(&self, index: u64) -> bool {
        let after = self.runs.partition_point(|run| run.at <= index);
        after.checked_sub(1).and_then(|at| self.runs.get(at)).is_some_and(|run| run.from.is_some())
    }
}

/// The runs of a list, written as they are found, next to each other joined.
#[derive(Clone, Debug, Default)]
struct RunsOut {
    /// Runs that were written.
    count: u64,
    written: Rope,
    /// The run that the next one may be joined to.
    last: Option<NewRun>,
    /// Elements of the old list that were passed.
    old: u64,
    /// Elements of the new list so far.
    new_len: u64,
    is_changed: bool,
}

impl RunsOut {
    /// Takes the runs of the next part.
    fn take(&mut self, part: PartRuns) {
        let mut passed = 0;
        for run in part.runs {
            match run.from {
                Some(from) => {
                    self.skip(from - passed);
                    self.keep(run.count);
                    passed = from + run.count;
                }
                None => self.add(run),
            }
        }
        self.skip(part.old - passed);
    }

    fn keep(&mut self, count: u64) {
        if count == 0 {
            return;
        }
        match &mut self.last {
            Some(run) if run.from.is_some_and(|from| from + run.count == self.old) => run.count += count,
            _ => self.begin(NewRun { at: self.new_len, count, from: Some(self.old), values: Rope::new() }),
        }
        self.old += count;
        self.new_len += count;
    }

    fn skip(&mut self, count: u64) {
        self.old += count;
        self.is_changed |= count > 0;
    }

    fn add(&mut self, run: NewRun) {
        self.new_len += run.count;
        self.is_changed = true;
        match self.last.as_mut().filter(|last| last.from.is_none()) {
            Some(last) => {
                last.count += run.count;
                last.values.append(run.values);
            }
            None => self.begin(run),
        }
    }

    fn begin(&mut self, run: NewRun) {
        self.end_run();
        self.last = Some(run);
    }

    fn end_run(&mut self) {
        let Some(run) = self.last.take() else { return };
        self.count += 1;
        match run.from {
            Some(from) => {
                self.written.varint(from << 1);
                self.written.varint(run.count);
            }
            None => {
                self.written.varint(run.count << 1 | 1);
                self.written.append(run.values);
            }
        }
    }
}

impl ListWalk {
    /// Writes runs and edits, if there are any.
    fn finish(mut self, w: &mut Rope) {
        if self.runs.is_changed {
            self.runs.end_run();
            w.varint(self.runs.count + 1);
            w.append(self.runs.written);
        } else if !self.edits.is_empty() {
            w.varint(0);
        }
        w.append(self.edits);
    }
}
