//! Hostile paths against every call.

use super::*;

/// The calls that are allowed on a link that leads nowhere: they are about the link itself.
const ON_LINKS: [&str; 6] =
    ["stat link", "hash link", "read link", "set link's times", "rename from", "remove file"];

#[tokio::test]
async fn no_spelling_of_the_private_directory_exists() {
    for path in [
        ".longhouse",
        "./.longhouse",
        "/.longhouse",
        "//.longhouse//",
        ".longhouse/",
        ".longhouse/.",
        ".longhouse/..",
        "d/../.longhouse",
        "d/./e/../../.longhouse",
        ".longhouse/../.longhouse",
        ".longhouse/longhouse.db",
        ".longhouse/new",
        "d/.longhouse",
        "d/.longhouse/new",
        "none/../.longhouse",
        "l/longhouse.db",
        "l/new",
        "l/.",
        "l/..",
        "d/l/longhouse.db",
        "d/l/../longhouse.db",
        "chain/longhouse.db",
        "chain/../top.txt",
        "db/.",
    ] {
        let mut guest = Guest::new(Access::ReadWrite);
        guest.link(".longhouse", "l");
        guest.link("../.longhouse", "d/l");
        guest.link("d/l", "chain");
        guest.link(".longhouse/longhouse.db", "db");
        for (verb, answer) in guest.verbs(path).await {
            // A link may point to what is not to be seen through another, and leads nowhere then.
            if verb == "symbolic link to" && answer.is_ok() {
                assert!(
                    ["l/", "d/l/", "chain/", "none/", "db/", "d/.."].iter().any(|it| path.starts_with(it))
                );
                continue;
            }
            let is_absolute = verb == "symbolic link to" && path.starts_with('/');
            let expected = if is_absolute { ErrorCode::NotPermitted } else { ErrorCode::NoEntry };
            assert_eq!(answer, Err(expected), "{verb} {path}");
        }
        guest.assert_unharmed();
    }
}

#[tokio::test]
async fn links_to_the_private_directory_or_out_of_the_project_lead_nowhere() {
    for target in [
        ".longhouse",
        ".longhouse/longhouse.db",
        ".longhouse/new",
        "..",
        "../outside.txt",
        "../new",
        "/",
        "/etc",
    ] {
        for path in ["l", "d/../l", "./l"] {
            let mut guest = Guest::new(Access::ReadWrite);
            guest.link(target, "l");
            let mut allowed = guest.allowed(path).await;
            // Replacing the link, or pointing to it, is about the link itself.
            allowed
                .retain(|verb| !ON_LINKS.contains(verb) && !["rename to", "symbolic link to"].contains(verb));
            assert_eq!(allowed, [""; 0], "{path} -> {target}");
            guest.assert_unharmed();
        }
    }
}

#[tokio::test]
async fn nothing_leads_out_of_the_project() {
    for path in [
        "..",
        "../",
        "../..",
        "/..",
        "../outside.txt",
        "../project/top.txt",
        "d/../../outside.txt",
        "/../outside.txt",
        "up/outside.txt",
        "up/new",
        "up/..",
        "up/../top.txt",
        "up/project/top.txt",
        "deep/outside.txt",
        "etc/passwd",
        "etc/..",
        "etc/.",
    ] {
        let mut guest = Guest::new(Access::ReadWrite);
        guest.link("..", "up");
        guest.link("d/../..", "deep");
        guest.link("/etc", "etc");
        for (verb, answer) in guest.verbs(path).await {
            assert_eq!(answer, Err(ErrorCode::NotPermitted), "{verb} {path}");
        }
        guest.assert_unharmed();
    }
}

#[tokio::test]
async fn a_descriptor_of_a_directory_is_a_place_in_the_project_and_no_more() {
    let mut guest = Guest::new(Access::ReadWrite);
    let none = OpenFlags::empty();
    let d = guest.open("d", OpenFlags::DIRECTORY, READ).await.unwrap().rep();
    for (path, expected) in [
        ("f.txt", Ok(())),
        ("../top.txt", Ok(())),
        ("../.longhouse/longhouse.db", Err(ErrorCode::NoEntry)),
        ("../../outside.txt", Err(ErrorCode::NotPermitted)),
    ] {
        let follow = PathFlags::SYMLINK_FOLLOW;
        let opened = guest.fs().open_at(Fd::new_borrow(d), follow, path.into(), none, READ).await;
        assert_eq!(opened.map(drop).map_err(error), expected, "{path}");
    }
}

#[tokio::test]
async fn a_name_has_to_be_one() {
    let mut guest = Guest::new(Access::ReadWrite);
    guest.link("d", "l");
    let root = guest.root;
    let root = || Fd::new_borrow(root);
    for name in ["d/.", "d/..", "d/e/..", "."] {
        let mut fs = guest.fs();
        assert_eq!(refusal(fs.remove_directory_at(root(), name.into()).await), ErrorCode::Invalid, "{name}");
        assert_eq!(refusal(fs.rename_at(root(), name.into(), root(), "x".into()).await), ErrorCode::Invalid);
    }
    let mut fs = guest.fs();
    assert_eq!(refusal(fs.unlink_file_at(root(), "top.txt/".into()).await), ErrorCode::NotDirectory);
    assert_eq!(refusal(fs.unlink_file_at(root(), "l/".into()).await), ErrorCode::NotDirectory);
    assert_eq!(refusal(fs.remove_directory_at(root(), "l/".into()).await), ErrorCode::NotDirectory);
    assert_eq!(refusal(fs.remove_directory_at(root(), "/".into()).await), ErrorCode::Busy);
    assert_eq!(refusal(fs.create_directory_at(root(), String::new()).await), ErrorCode::NoEntry);
    fs.create_directory_at(root(), "new/".into()).await.unwrap();
    fs.rename_at(root(), "new/".into(), root(), "d/newer/".into()).await.unwrap();
    fs.remove_directory_at(root(), "l/newer/".into()).await.unwrap();
    assert_eq!(refusal(guest.open("top.txt/", OpenFlags::empty(), READ).await), ErrorCode::NotDirectory);
}

#[tokio::test]
async fn a_hard_link_is_a_copy_and_a_symbolic_one_stays_in_the_project() {
    let mut guest = Guest::new(Access::ReadWrite);
    let root = guest.root;
    let root = || Fd::new_borrow(root);
    let mut fs = guest.fs();
    fs.link_at(root(), PathFlags::empty(), "d/f.txt".into(), root(), "copy".into()).await.unwrap();
    fs.symlink_at(root(), "copy".into(), "link".into()).await.unwrap();
    let opened = guest.open("link", OpenFlags::TRUNCATE, WRITE).await.unwrap();
    guest.fs().write(opened, b"other".to_vec(), 0).await.unwrap();
    assert_eq!((guest.read("copy"), guest.read("d/f.txt")), ("other".into(), "content".into()));
    for target in ["/etc", "..", "d/../../x"] {
        let made = guest.fs().symlink_at(root(), target.into(), "out".into()).await;
        assert_eq!(refusal(made), ErrorCode::NotPermitted, "{target}");
    }
}

#[tokio::test]
async fn listings_show_files_directories_and_links_and_nothing_else() {
    let mut guest = Guest::new(Access::ReadWrite);
    guest.link(".longhouse", "l");
    fs::create_dir(guest.at("d/.longhouse")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(guest.at("socket")).unwrap();
    let root = guest.root();
    let entries = guest.list(root).await.unwrap();
    let kinds: Vec<_> =
        entries.iter().map(|entry| (entry.name.as_str(), format!("{:?}", entry.type_))).collect();
    let expected = [
        ("d", "DescriptorType::Directory"),
        ("l", "DescriptorType::SymbolicLink"),
        ("top.txt", "DescriptorType::RegularFile"),
    ];
    assert_eq!(kinds, expected.map(|(name, kind)| (name, kind.to_owned())));
    let d = guest.open("d", OpenFlags::DIRECTORY, READ).await.unwrap();
    let names: Vec<_> = guest.list(d).await.unwrap().into_iter().map(|entry| entry.name).collect();
    assert_eq!(names, ["e", "f.txt"]);
    assert_eq!(refusal(guest.open("socket", OpenFlags::empty(), READ).await), ErrorCode::NoEntry);
    let file = guest.open("top.txt", OpenFlags::empty(), READ).await.unwrap();
    assert_eq!(refusal(guest.list(file).await), ErrorCode::NotDirectory);
}
