//! What it comes to: Longhouse's rate beside that of the best of the others.

use std::fmt;

use super::measure::{Cell, What};

/// Of the medians of all rounds. Its text is a line of a table.
pub struct Ratio {
    what: What,
    clients: usize,
    ours: Rate,
    best: Rate,
}

#[derive(Clone)]
struct Rate {
    peer: String,
    per_second: f64,
}

/// One for each of Longhouse's figures that anybody else has, too, in the order of `cells`.
pub fn ratios(cells: &[Cell]) -> Vec<Ratio> {
    let mut ratios: Vec<Ratio> = Vec::new();
    for ours in cells.iter().filter(|cell| cell.is_longhouse) {
        let same = |cell: &&Cell| (cell.what, cell.clients) == (ours.what, ours.clients);
        let others = cells.iter().filter(same).filter(|cell| !cell.is_longhouse);
        let best =
            others.map(|other| median(cells, other)).max_by(|a, b| a.per_second.total_cmp(&b.per_second));
        let known = ratios.iter().any(|ratio| {
            (ratio.what, ratio.clients, &ratio.ours.peer) == (ours.what, ours.clients, &ours.peer)
        });
        if let Some(best) = best
            && !known
        {
            let (what, clients) = (ours.what, ours.clients);
            ratios.push(Ratio { what, clients, ours: median(cells, ours), best });
        }
    }
    ratios
}

/// Of all cells that measure what `one` measures.
fn median(cells: &[Cell], one: &Cell) -> Rate {
    let same = |cell: &&Cell| (&cell.peer, cell.what, cell.clients) == (&one.peer, one.what, one.clients);
    let mut rates: Vec<f64> = cells.iter().filter(same).map(Cell::rate).collect();
    rates.sort_by(f64::total_cmp);
    Rate { peer: one.peer.clone(), per_second: rates.get(rates.len() / 2).copied().unwrap_or(f64::NAN) }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, clients, ours, best } = self;
        let ratio = ours.per_second / best.per_second;
        write!(f, "{:<17}  {what:<6}  {clients:>7}  {:>7.0}/s", ours.peer, ours.per_second)?;
        write!(f, "  = {ratio:.2} × {:.0}/s of {}, the best other", best.per_second, best.peer)
    }
}
