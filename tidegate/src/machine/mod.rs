//! What this machine is, read from `/proc` and `/sys` below a root: the machine's own, or one that a test made up.

mod cores;

#[cfg(test)]
pub use cores::Core;
pub use cores::{Cores, place};

use std::path::PathBuf;

/// Where `/proc` and `/sys` are.
#[derive(Clone, Debug)]
pub struct Machine {
    root: PathBuf,
}

impl Machine {
    /// The machine that this process runs on.
    pub fn here() -> Self {
        Self::at("/")
    }

    /// One whose files lie below `root`.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The text of a file, without blanks around it; `None` if it cannot be read.
    pub fn text(&self, path: &str) -> Option<String> {
        let text = std::fs::read_to_string(self.root.join(path)).ok()?;
        Some(text.trim().to_string())
    }

    /// The number in a file.
    pub fn number(&self, path: &str) -> Option<u64> {
        self.text(path)?.parse().ok()
    }

    /// The cores that a file lists (`0-3,8`); none if it cannot be read.
    pub fn cores_in(&self, path: &str) -> Vec<usize> {
        self.text(path).map(|text| core_list(&text)).unwrap_or_default()
    }

    /// The names in a folder, sorted; none if it cannot be read.
    pub fn names(&self, path: &str) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.root.join(path)) else { return Vec::new() };
        let mut names: Vec<_> =
            entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    /// What follows `key` and a colon in a file such as `/proc/meminfo`.
    pub fn field(&self, path: &str, key: &str) -> Option<String> {
        let text = self.text(path)?;
        let mut fields = text.lines().filter_map(|line| line.split_once(':'));
        fields.find(|(name, _)| name.trim() == key).map(|(_, value)| value.trim().to_string())
    }

    /// Thousandths of a core that the control group lets this process use at a time; `None` without a bound.
    pub fn quota_milli(&self) -> Option<u64> {
        let groups = self.text("proc/self/cgroup").unwrap_or_default();
        // Version 2, the group's own bound and those above it; what a container sees begins at its own group.
        let own = groups.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/");
        let mut path = own.trim_matches('/').to_string();
        let mut least = None;
        loop {
            let folder = format!("sys/fs/cgroup/{path}/cpu.max");
            if let Some(quota) = self.text(&folder).and_then(|text| {
                let (quota, period) = text.split_once(' ')?;
                milli(quota.parse().ok()?, period.parse().ok()?)
            }) {
                least = Some(least.map_or(quota, |least: u64| least.min(quota)));
            }
            match path.rsplit_once('/') {
                Some((above, _)) => path = above.to_string(),
                None if path.is_empty() => break,
                None => path.clear(),
            }
        }
        // Version 1.
        let one = |name: &str| {
            let folder = ["sys/fs/cgroup/cpu", "sys/fs/cgroup/cpu,cpuacct"];
            folder.iter().find_map(|folder| self.number(&format!("{folder}/{name}")))
        };
        least.or_else(|| milli(one("cpu.cfs_quota_us")?, one("cpu.cfs_period_us")?))
    }
}

fn milli(quota: u64, period: u64) -> Option<u64> {
    quota.checked_mul(1_000)?.checked_div(period)
}

/// The cores of a list as the kernel writes it: `0-3,8`. What is no number is passed over.
pub fn core_list(text: &str) -> Vec<usize> {
    /// More than any kernel is built for.
    const CORES_MAX: usize = 8_192;
    let mut cores = Vec::new();
    for piece in text.split(',') {
        let (first, last) = piece.split_once('-').unwrap_or((piece, piece));
        let (Ok(first), Ok(last)) = (first.trim().parse(), last.trim().parse::<usize>()) else {
            continue;
        };
        cores.extend(first..=last.min(CORES_MAX));
    }
    cores.sort_unstable();
    cores.dedup();
    cores
}

/// `cores` as the kernel writes them.
pub fn core_text(cores: &[usize]) -> String {
    let mut text = String::new();
    let mut at = 0;
    while at < cores.len() {
        let first = cores[at];
        let mut last = first;
        while cores.get(at + 1) == Some(&(last + 1)) {
            at += 1;
            last += 1;
        }
        let comma = if text.is_empty() { "" } else { "," };
        text += &match last - first {
            0 => format!("{comma}{first}"),
            _ => format!("{comma}{first}-{last}"),
        };
        at += 1;
    }
    text
}

#[cfg(test)]
pub mod made_up {
    //! Machines that tests make up.

    use super::Machine;
    use std::fs;
    use std::path::Path;

    /// A machine with these files.
    pub fn machine(dir: &Path, files: &[(&str, &str)]) -> Machine {
        for (path, text) in files {
            let path = dir.join(path);
            fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("made");
            fs::write(path, text).expect("written");
        }
        Machine::at(dir)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_list_of_cores_reads_back(cores in proptest::collection::btree_set(0usize..200, 0..40)) {
            let cores: Vec<_> = cores.into_iter().collect();
            prop_assert_eq!(core_list(&core_text(&cores)), cores);
        }

        #[test]
        fn whatever_is_written_is_read(text in "[0-9,\\- x\n]{0,40}") {
            let cores = core_list(&text);
            prop_assert!(cores.is_sorted());
        }
    }

    #[test]
    fn lists_are_as_the_kernel_writes_them() {
        assert_eq!(core_list("0-3,8\n"), [0, 1, 2, 3, 8]);
        assert_eq!(core_list(""), [0usize; 0]);
        assert_eq!(core_text(&[0, 1, 2, 3, 8, 10, 11]), "0-3,8,10-11");
    }

    #[test]
    fn the_tightest_quota_of_a_group_and_those_above_counts() {
        let of = |files: &[(&str, &str)]| {
            let dir = tempfile::tempdir().expect("a temporary folder");
            made_up::machine(dir.path(), files).quota_milli()
        };
        assert_eq!(of(&[]), None);
        let group = ("proc/self/cgroup", "0::/a/b\n");
        let own = |text| ("sys/fs/cgroup/a/b/cpu.max", text);
        assert_eq!(of(&[group, own("max 100000")]), None);
        assert_eq!(of(&[group, own("150000 100000")]), Some(1_500));
        let above = ("sys/fs/cgroup/a/cpu.max", "50000 100000");
        assert_eq!(of(&[group, own("150000 100000"), above]), Some(500));
        assert_eq!(of(&[("sys/fs/cgroup/cpu.max", "200000 100000")]), Some(2_000));
        let old = [
            ("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1"),
            ("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000"),
        ];
        assert_eq!(of(&old), None);
        let old = [("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "50000"), old[1]];
        assert_eq!(of(&old), Some(500));
        assert_eq!(of(&[own("9 0"), group]), None);
    }
}
