//! Searches by an indexed field: what they show is held against the history, and the index against the documents.

use std::collections::BTreeMap;

use nam::__private::{Class, Tracked, Writer};
use nam::ids::{Alias, Birth, Epoch, RequestId, Version};
use nam::node::Answer;
use nam::repository::IndexEntry;

use crate::class::Desk;
use crate::node::Asked;
use crate::shard::Shard;
use crate::world::World;

/// A search for a title that is on its way.
#[derive(Debug)]
pub(crate) struct Finding {
    node: usize,
    shard: usize,
    request: RequestId,
    title: String,
    /// The last loss when that was asked.
    lossy_epoch: Epoch,
    /// The objects that had it when that was asked, and since which version at the latest.
    had: BTreeMap<Birth, Version>,
}

impl World {
    /// Somebody looks for the objects with some title.
    pub(crate) fn find_title(&mut self, node: usize, shard: usize) {
        let history = &self.shards[shard].history;
        let heads: Vec<_> = history.objects.keys().filter_map(|birth| Some((*birth, history.head(*birth)?))).collect();
        if heads.is_empty() {
            return;
        }
        let title = heads[self.dice.index(heads.len())].1.1.title.clone();
        let same = heads.into_iter().filter(|(_, (_, desk))| desk.title == title);
        let had = same.map(|(birth, (version, _))| (birth, version)).collect();
        let side = &mut self.nodes[node].sides[shard];
        let lossy_epoch = history.lossy_epoch;
        let request = side.core.find(Desk::NAME, Desk::TITLE.field(), title.as_bytes(), Alias(0));
        side.requests.insert(request, Asked::Found);
        self.finds.push(Finding { node, shard, request, title, lossy_epoch, had });
    }

    /// A process ends: nobody waits for its searches any more.
    pub(crate) fn forget_finds(&mut self, node: usize, shard: usize) {
        self.finds.retain(|find| (find.node, find.shard) != (node, shard));
    }

    /// A search is answered: everything in it was durably so at some time, and what had the title all the while is there.
    pub(crate) fn found(&mut self, node: usize, shard: usize, request: RequestId, answer: &Answer) {
        let is_it = |find: &Finding| (find.node, find.shard, find.request) == (node, shard, request);
        let find = self.finds.remove(self.finds.iter().position(is_it).unwrap());
        let Answer::Found { found, next: None } = answer else { panic!("a search is answered by {answer:?}") };
        let history = &self.shards[shard].history;
        if history.lossy_epoch != find.lossy_epoch {
            // The answer may have been on its way when the shard came back without what it shows.
            return;
        }
        for (key, birth) in found {
            history.check_titled(*birth, key, &find.title);
        }
        for (birth, since) in find.had {
            let is_found = found.iter().any(|(_, found)| *found == birth);
            let is_due = history.is_titled_since(birth, since, &find.title);
            assert!(is_found || !is_due, "I2: {birth} has the title {:?} and is not found", find.title);
        }
        self.report.found += found.len() as u64;
    }
}

impl Shard {
    /// Holds what the index says of the objects that are at the head of the history against it.
    pub(crate) fn check_index(&self) {
        let (entries, unknown) = self.core.inspect_index(Desk::NAME);
        for (birth, object) in &self.history.objects {
            let mut seen: Vec<&IndexEntry> = entries.iter().filter(|entry| entry.birth == *birth).collect();
            seen.sort();
            let Some((version, value)) = self.history.head(*birth) else {
                assert!(seen.is_empty(), "I2: {} has ended and is in the index", object.key);
                continue;
            };
            let known = self.core.inspect(Desk::NAME, &object.key);
            if unknown.contains(birth) || known.is_none_or(|it| (it.birth, it.version) != (*birth, version)) {
                continue;
            }
            let due = [
                (Desk::TITLE.field(), value.title.as_bytes().to_vec()),
                (Desk::HITS.field(), encoded(&value.hits)),
                (Desk::LAST.field(), encoded(&value.last)),
            ];
            let due = due.map(|(field, value)| IndexEntry { birth: *birth, field, value });
            assert!(
                seen.iter().copied().eq(&due),
                "I2: the index has {seen:?} of {} at {version}, not {due:?}",
                object.key
            );
        }
    }
}

fn encoded<V: Tracked>(value: &V) -> Vec<u8> {
    let mut w = Writer::new();
    value.encode(&mut w);
    w.into_bytes()
}
