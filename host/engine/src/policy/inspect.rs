//! What a component is, before anything of it is compiled or run.

use longhouse_core::PolicyKind;
use wit_component::{DecodedWasm, decode};
use wit_parser::{PackageName, Resolve, WorldItem, WorldKey};

use super::PolicyError;

/// The version of `longhouse:policy` that this server speaks.
pub(super) const VERSION: (u64, u64) = (0, 1);

/// The largest component, in bytes: what Python makes of a few lines has 18 MB.
const MAX_BYTES: usize = 32 << 20;

/// What a component exports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum World {
    /// A scheduler that only says in which order.
    Ranker,
    /// A scheduler that also chooses.
    Scheduler,
    /// A conflict policy.
    Conflict,
    /// An admission policy.
    Admission,
}

impl World {
    /// What such a policy decides.
    pub const fn kind(self) -> PolicyKind {
        match self {
            Self::Ranker | Self::Scheduler => PolicyKind::Scheduler,
            Self::Conflict => PolicyKind::Conflict,
            Self::Admission => PolicyKind::Admission,
        }
    }

    /// The interfaces that it exports.
    const fn exports(self) -> &'static [&'static str] {
        match self {
            Self::Ranker => &["lifecycle", "ranking"],
            Self::Scheduler => &["lifecycle", "ranking", "selection"],
            Self::Conflict => &["lifecycle", "locking"],
            Self::Admission => &["lifecycle", "review"],
        }
    }
}

/// Which policy `component` is.
///
/// # Errors
/// When it is none, is too large, is for another version of the interface, or wants to call what no policy may.
pub(super) fn inspect(component: &[u8]) -> Result<World, PolicyError> {
    if component.len() > MAX_BYTES {
        return Err(PolicyError::TooLarge { bytes: component.len(), limit: MAX_BYTES });
    }
    if wasmparser::Parser::is_core_wasm(component) {
        return Err(PolicyError::NotAComponent("it is a core module".to_owned()));
    }
    let decoded = decode(component).map_err(|error| PolicyError::NotAComponent(format!("{error:#}")))?;
    let DecodedWasm::Component(resolve, world) = decoded else {
        return Err(PolicyError::NotAComponent("it is a package of interfaces".to_owned()));
    };
    let world = resolve.worlds.get(world).ok_or(PolicyError::NoPolicy { exports: Vec::new() })?;

    let ours = |package: &PackageName| {
        (package.namespace.as_str(), package.name.as_str()) == ("longhouse", "policy")
    };
    let mut exports = Vec::new();
    for (place, (key, item)) in world
        .imports
        .iter()
        .map(|import| (Place::Import, import))
        .chain(world.exports.iter().map(|export| (Place::Export, export)))
    {
        let (name, package) = name(&resolve, key, item);
        match package.filter(|package| ours(package)) {
            Some(package) => {
                let version = package.version.as_ref().map(|version| (version.major, version.minor));
                if version != Some(VERSION) {
                    let found = package.version.as_ref().map(ToString::to_string);
                    return Err(PolicyError::WrongVersion { found, ours: VERSION });
                }
                match (place, name.as_str()) {
                    (Place::Import, "types" | "console") => {}
                    (Place::Import, _) => {
                        return Err(PolicyError::Imports(format!("longhouse:policy/{name}")));
                    }
                    (Place::Export, _) => exports.push(name),
                }
            }
            None if place == Place::Import => return Err(PolicyError::Imports(full(package, &name))),
            None => exports.push(full(package, &name)),
        }
    }
    exports.sort();
    // The widest first: a scheduler is a ranker, too.
    let worlds = [World::Scheduler, World::Ranker, World::Conflict, World::Admission];
    let fits = |world: &World| world.exports().iter().all(|needed| exports.iter().any(|name| name == needed));
    worlds.into_iter().find(fits).ok_or(PolicyError::NoPolicy { exports })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Import,
    Export,
}

fn name<'a>(resolve: &'a Resolve, key: &WorldKey, item: &WorldItem) -> (String, Option<&'a PackageName>) {
    let interface = match (key, item) {
        (
            WorldKey::Name(name),
            WorldItem::Function(_) | WorldItem::Type { .. } | WorldItem::Interface { .. },
        ) => {
            return (name.clone(), None);
        }
        (WorldKey::Interface(id), _) => resolve.interfaces.get(*id),
    };
    let package = interface.and_then(|interface| interface.package).and_then(|id| resolve.packages.get(id));
    let name = interface.and_then(|interface| interface.name.clone()).unwrap_or_default();
    (name, package.map(|package| &package.name))
}

fn full(package: Option<&PackageName>, name: &str) -> String {
    package.map_or_else(|| name.to_owned(), |package| package.interface_id(name))
}
