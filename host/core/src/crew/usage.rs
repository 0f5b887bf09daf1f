//! What work with models costs, and how much it may.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Money, in millionths of a US dollar. As JSON a number of dollars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Cost(u64);

/// The most money there is, in dollars: every such number of millionths is a whole `f64`.
const MOST_DOLLARS: f64 = 1e9;
const MILLIONTHS: f64 = 1e6;

impl Cost {
    /// So many millionths of a dollar.
    pub const fn from_millionths(millionths: u64) -> Self {
        Self(millionths)
    }

    fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl TryFrom<f64> for Cost {
    type Error = String;

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range was checked")]
    fn try_from(dollars: f64) -> Result<Self, String> {
        if (0.0..=MOST_DOLLARS).contains(&dollars) {
            Ok(Self((dollars * MILLIONTHS).round() as u64))
        } else {
            Err(format!("{dollars} is not an amount of dollars from 0 to {MOST_DOLLARS}"))
        }
    }
}

impl From<Cost> for f64 {
    #[expect(clippy::cast_precision_loss, reason = "what is beyond 2^53 millionths is rounded")]
    fn from(cost: Cost) -> Self {
        (cost.0 as Self / MILLIONTHS).min(MOST_DOLLARS)
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${}.{:02}", self.0 / 1_000_000, self.0 % 1_000_000 / 10_000)
    }
}

/// What was used, as agents report it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Usage {
    /// Tokens read by models.
    pub input_tokens: u64,
    /// Tokens written by models.
    pub output_tokens: u64,
    /// What that cost.
    pub cost_usd: Cost,
    /// Calls to models.
    pub calls: u64,
}

impl Usage {
    /// Nothing was used.
    pub const NOTHING: Self = Self { input_tokens: 0, output_tokens: 0, cost_usd: Cost(0), calls: 0 };

    /// Whether nothing was used.
    pub fn is_nothing(&self) -> bool {
        *self == Self::NOTHING
    }

    /// This and that.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
            cost_usd: self.cost_usd.plus(other.cost_usd),
            calls: self.calls.saturating_add(other.calls),
        }
    }

    /// This without what was used before.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        Self {
            input_tokens: self.input_tokens.saturating_sub(before.input_tokens),
            output_tokens: self.output_tokens.saturating_sub(before.output_tokens),
            cost_usd: self.cost_usd.minus(before.cost_usd),
            calls: self.calls.saturating_sub(before.calls),
        }
    }

    /// Tokens read and written.
    pub const fn tokens(&self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }
}

/// How much may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Budget {
    /// Tokens read and written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// What that costs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<Cost>,
    /// Calls to models.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls: Option<u64>,
}

/// Whose budget it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spender {
    /// The agent's.
    Agent,
    /// The project's.
    Project,
}

impl Budget {
    /// What of it is spent, in words, if anything is.
    pub fn spent_by(&self, usage: &Usage) -> Option<String> {
        if let Some(most) = self.tokens.filter(|most| usage.tokens() >= *most) {
            return Some(format!("{} of {most} tokens", usage.tokens()));
        }
        if let Some(most) = self.cost_usd.filter(|most| usage.cost_usd >= *most) {
            return Some(format!("{} of {most}", usage.cost_usd));
        }
        let most = self.calls.filter(|most| usage.calls >= *most)?;
        Some(format!("{} of {most} calls", usage.calls))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn usage(input_tokens: u64, millionths: u64, calls: u64) -> Usage {
        Usage { input_tokens, output_tokens: 0, cost_usd: Cost(millionths), calls }
    }

    #[test]
    fn a_budget_is_spent_when_any_part_of_it_is() {
        let budget = Budget { tokens: Some(100), cost_usd: Some(Cost(2_500_000)), calls: Some(3) };
        assert_eq!(budget.spent_by(&usage(99, 2_499_999, 2)), None);
        assert_eq!(budget.spent_by(&usage(100, 0, 0)).unwrap(), "100 of 100 tokens");
        assert_eq!(budget.spent_by(&usage(0, 2_500_000, 0)).unwrap(), "$2.50 of $2.50");
        assert_eq!(budget.spent_by(&usage(0, 0, 4)).unwrap(), "4 of 3 calls");
        assert_eq!(Budget::default().spent_by(&usage(u64::MAX, u64::MAX, u64::MAX)), None);
    }

    #[test]
    fn money_that_is_none_is_refused() {
        for text in ["-0.01", "1e10", "\"3\""] {
            assert!(serde_json::from_str::<Cost>(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn money_comes_back_as_it_was_written(millionths in 0..1_000_000_000_000_000u64) {
            let json = serde_json::to_string(&Cost(millionths)).unwrap();
            prop_assert_eq!(serde_json::from_str::<Cost>(&json).unwrap(), Cost(millionths));
        }
    }
}
