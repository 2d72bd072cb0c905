import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.WatchedEvent;
import org.apache.zookeeper.Watcher.Event.KeeperState;
import org.apache.zookeeper.ZooKeeper;

/**
 * Finds the master and the Sentinels of a group in ZooKeeper.
 *
 * <pre>java Lookup [HOSTS [ROOT]] [--follow]</pre>
 *
 * HOSTS is what ZK_HOSTS is for redis-zk (default localhost:2181), ROOT what ZK_ROOT is (default /redis). With --follow
 * every change of the master is printed, until the program is killed. Needs the ZooKeeper client.
 */
public final class Lookup implements AutoCloseable {
    private static final int SESSION_TIMEOUT_MS = 4_000;

    /** A host and a port; an IPv6 host has no brackets. */
    public record Address(String host, int port) {
        /** Reads {@code <host> <port>}; nothing is none. */
        static Optional<Address> decode(byte[] data) {
            String text = new String(data, StandardCharsets.UTF_8).strip();
            if (text.isEmpty()) {
                return Optional.empty();
            }
            String[] words = text.split("\\s+");
            if (words.length != 2) {
                throw new IllegalArgumentException("not an address: " + text);
            }
            return Optional.of(new Address(words[0], Integer.parseInt(words[1])));
        }

        @Override
        public String toString() {
            return host.contains(":") ? "[" + host + "]:" + port : host + ":" + port;
        }
    }

    private final ZooKeeper zookeeper;
    private final String root;
    private final BlockingQueue<WatchedEvent> events = new LinkedBlockingQueue<>();

    /** Opens a session and waits until it is there. */
    public Lookup(String hosts, String root) throws IOException, InterruptedException {
        this.root = root;
        this.zookeeper = new ZooKeeper(hosts, SESSION_TIMEOUT_MS, events::add);
        WatchedEvent first = events.poll(15, TimeUnit.SECONDS);
        if (first == null || first.getState() != KeeperState.SyncConnected) {
            zookeeper.close();
            throw new IOException("no ZooKeeper server of " + hosts + " answered");
        }
    }

    /** Who is master. Leaves a watch, on a znode that does not exist as well. */
    public Optional<Address> master() throws KeeperException, InterruptedException {
        String path = root + "/master";
        if (zookeeper.exists(path, true) == null) {
            return Optional.empty();
        }
        try {
            return Address.decode(zookeeper.getData(path, false, null));
        } catch (KeeperException.NoNodeException removed) {
            return Optional.empty();
        }
    }

    /** The registered Sentinels, in the order of their znodes' names. */
    public List<Address> sentinels() throws KeeperException, InterruptedException {
        List<Address> found = new ArrayList<>();
        List<String> names;
        try {
            names = zookeeper.getChildren(root + "/sentinels", false);
        } catch (KeeperException.NoNodeException nobodyYet) {
            return found;
        }
        names.sort(null);
        for (String name : names) {
            try {
                Address.decode(zookeeper.getData(root + "/sentinels/" + name, false, null)).ifPresent(found::add);
            } catch (KeeperException.NoNodeException left) {
                // Between the two reads.
            }
        }
        return found;
    }

    /** Waits until the master may have changed. False: the session has ended, and a new one is needed. */
    public boolean awaitChange() throws InterruptedException {
        return events.take().getState() != KeeperState.Expired;
    }

    @Override
    public void close() throws InterruptedException {
        zookeeper.close();
    }

    public static void main(String[] args) throws Exception {
        List<String> words = Arrays.stream(args).filter(word -> !word.equals("--follow")).toList();
        String hosts = words.isEmpty() ? "localhost:2181" : words.get(0);
        String root = words.size() > 1 ? words.get(1) : "/redis";

        Optional<Address> master;
        try (Lookup lookup = new Lookup(hosts, root)) {
            master = lookup.master();
            show(master);
            lookup.sentinels().forEach(sentinel -> System.out.println("sentinel " + sentinel));
        }
        if (words.size() < args.length) {
            follow(hosts, root, master);
        }
    }

    /** Prints every change, in one session after the other. */
    private static void follow(String hosts, String root, Optional<Address> last) throws InterruptedException {
        while (true) {
            try (Lookup lookup = new Lookup(hosts, root)) {
                do {
                    Optional<Address> now = lookup.master();
                    if (!now.equals(last)) {
                        last = now;
                        show(now);
                    }
                } while (lookup.awaitChange());
            } catch (IOException | KeeperException | IllegalArgumentException error) {
                System.err.println(error.getMessage());
                TimeUnit.SECONDS.sleep(1);
            }
        }
    }

    private static void show(Optional<Address> master) {
        System.out.println(master.map(address -> "master " + address).orElse("no master yet"));
    }
}
