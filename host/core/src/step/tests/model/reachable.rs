pub(super) const REACHABLE: &[(&str, &[&str])] = &[];
