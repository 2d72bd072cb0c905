//! Two wrappers and one directory, with real locks.

use super::*;

const SHORT: Duration = Duration::from_millis(150);

async fn take(dir: &Path, port: u16) -> Result<WorkDir, WorkDirError> {
    take_named(dir, None, port).await
}

async fn take_named(dir: &Path, named: Option<&Directory>, port: u16) -> Result<WorkDir, WorkDirError> {
    let wanted = Wanted {
        data_dir: dir,
        named,
        port,
    };
    WorkDir::take(&wanted, SHORT, |_| {}).await
}

#[tokio::test]
async fn a_second_wrapper_gets_a_directory_of_its_own_and_keeps_it() {
    let dir = tempfile::tempdir().unwrap();
    let first = take(dir.path(), 1).await.unwrap();
    assert!(first.note.is_none());
    let second = take(dir.path(), 2).await.unwrap();
    assert!(second.note.is_some() && second.data.ends_with("redis-2"));
    drop((first, second));
    // In the other order nothing changes, and no third port takes the place of the first.
    let second = take(dir.path(), 2).await.unwrap();
    assert!(second.data.ends_with("redis-2"));
    assert!(take(dir.path(), 3).await.unwrap().data.ends_with("redis-3"));
    let first = take(dir.path(), 1).await.unwrap();
    assert_eq!(first.data, dir.path().canonicalize().unwrap());
    drop((first, second));
}

#[tokio::test]
async fn a_volume_moves_to_another_port() {
    let dir = tempfile::tempdir().unwrap();
    drop(take(dir.path(), 1).await.unwrap());
    let moved = take(dir.path(), 2).await.unwrap();
    assert_eq!(moved.data, dir.path().canonicalize().unwrap());
    assert!(moved.note.unwrap().contains("port 1"));
}

#[tokio::test]
async fn a_second_wrapper_of_one_port_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let first = take(dir.path(), 1).await.unwrap();
    let refused = take(dir.path(), 1).await.unwrap_err().to_string();
    assert!(
        refused.contains("PORT0") && refused.contains("redis-1"),
        "{refused}"
    );
    drop(first);
    take(dir.path(), 1).await.unwrap();
}

#[tokio::test]
async fn who_waits_for_a_directory_that_is_cleared_away_makes_it_anew() {
    let dir = tempfile::tempdir().unwrap();
    let first = take(dir.path(), 1).await.unwrap();
    let wanted = Wanted {
        data_dir: dir.path(),
        named: None,
        port: 1,
    };
    let waiting = WorkDir::take(&wanted, Duration::from_secs(60), |_| {});
    let ending = async {
        std::fs::remove_dir_all(&first.private).unwrap();
        drop(first);
    };
    let (taken, ()) = tokio::join!(waiting, ending);
    taken.unwrap().write("redis.conf", "port 1\n").unwrap();
}

#[tokio::test]
async fn what_is_left_of_a_redis_is_waited_for_whatever_its_port() {
    let dir = tempfile::tempdir().unwrap();
    for (before, after) in [(1, 1), (1, 2), (2, 3)] {
        // The child's copy of the lock, without the wrapper.
        let left = take(dir.path(), before).await.unwrap().lock();
        let refused = take(dir.path(), after).await.unwrap_err().to_string();
        assert!(refused.contains("end what is left of it"), "{refused}");
        let wanted = Wanted {
            data_dir: dir.path(),
            named: None,
            port: after,
        };
        let mut left = Some(left);
        let taken = WorkDir::take(&wanted, Duration::from_secs(20), |_| drop(left.take())).await;
        assert_eq!(taken.unwrap().data, dir.path().canonicalize().unwrap());
        assert!(left.is_none(), "it was told that there is a wait");
    }
}

#[tokio::test]
async fn a_directory_that_a_template_names_is_locked_and_never_moved() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let named = Directory {
        path: other.path().canonicalize().unwrap(),
        from: "REDIS_CONF line 7".to_owned(),
    };
    let first = take_named(dir.path(), Some(&named), 1).await.unwrap();
    assert_eq!(first.data, named.path);
    let second = tempfile::tempdir().unwrap();
    let refused = take_named(second.path(), Some(&named), 2)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("REDIS_CONF line 7") && refused.contains("leave `dir` out"),
        "{refused}"
    );
    // The same place as somebody's DATA_DIR.
    let refused = take(other.path(), 3).await.unwrap_err().to_string();
    assert!(refused.contains("is used by"), "{refused}");
}

#[tokio::test]
async fn generated_files_are_private_and_whole() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let work = take(dir.path(), 1).await.unwrap();
    let path = work.write("redis.conf", "port 1\n").unwrap();
    for (path, mode) in [(&path, 0o600), (&work.private, 0o700)] {
        assert_eq!(
            std::fs::metadata(path).unwrap().permissions().mode() & 0o777,
            mode
        );
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), "port 1\n");
}
