// Lookup finds the master and the Sentinels of a group in ZooKeeper.
//
//	lookup [HOSTS [ROOT]] [--follow]
//
// HOSTS is what ZK_HOSTS is for redis-zk (default localhost:2181), ROOT what ZK_ROOT is (default /redis). With --follow
// every change of the master is printed, until the program is killed.
package main

import (
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"sort"
	"strings"
	"time"

	// github.com/go-zookeeper/zk is the same package under its newer name.
	"github.com/samuel/go-zookeeper/zk"
)

// address reads "<host> <port>", in which an IPv6 host has no brackets, and returns what net.Dial wants. Nothing is "".
func address(data []byte) (string, error) {
	words := strings.Fields(string(data))
	switch len(words) {
	case 0:
		return "", nil
	case 2:
		return net.JoinHostPort(words[0], words[1]), nil
	}
	return "", fmt.Errorf("not an address: %q", data)
}

// connect opens a session and waits until it is there. The client knows no chroot, so it is put before the root.
func connect(hosts, root string) (*zk.Conn, string, error) {
	servers := hosts
	if slash := strings.Index(hosts, "/"); slash >= 0 {
		servers, root = hosts[:slash], strings.TrimRight(hosts[slash:], "/")+root
	}
	conn, events, err := zk.Connect(strings.Split(servers, ","), 4*time.Second, zk.WithLogInfo(false))
	if err != nil {
		return nil, "", err
	}
	deadline := time.After(15 * time.Second)
	for {
		select {
		case event := <-events:
			if event.State == zk.StateHasSession {
				return conn, root, nil
			}
		case <-deadline:
			conn.Close()
			return nil, "", errors.New("no ZooKeeper server of " + hosts + " answered")
		}
	}
}

// master says who is master, and tells on the channel when to ask again. The watch is set before the data are read, so no
// change is lost, and it is set on a znode that does not exist as well.
func master(conn *zk.Conn, root string) (string, <-chan zk.Event, error) {
	exists, _, changed, err := conn.ExistsW(root + "/master")
	if err != nil || !exists {
		return "", changed, err
	}
	data, _, err := conn.Get(root + "/master")
	if err != nil && err != zk.ErrNoNode {
		return "", nil, err
	}
	found, err := address(data)
	return found, changed, err
}

// sentinels lists the registered Sentinels, in the order of their znodes' names.
func sentinels(conn *zk.Conn, root string) ([]string, error) {
	names, _, err := conn.Children(root + "/sentinels")
	if err != nil && err != zk.ErrNoNode {
		return nil, err
	}
	sort.Strings(names)
	var found []string
	for _, name := range names {
		data, _, err := conn.Get(root + "/sentinels/" + name)
		if err == zk.ErrNoNode {
			continue // It left between the two reads.
		}
		if err != nil {
			return nil, err
		}
		sentinel, err := address(data)
		if err != nil {
			return nil, err
		}
		found = append(found, sentinel)
	}
	return found, nil
}

// follow prints every change. The client opens a new session when one has ended; watches end with theirs.
func follow(conn *zk.Conn, root, last string) {
	for {
		now, changed, err := master(conn, root)
		if err != nil {
			log.Print(err)
			time.Sleep(time.Second)
			continue
		}
		if now != last {
			last = now
			show(now)
		}
		<-changed
	}
}

func show(master string) {
	if master == "" {
		fmt.Println("no master yet")
	} else {
		fmt.Println("master " + master)
	}
}

func main() {
	var words []string
	following := false
	for _, word := range os.Args[1:] {
		if word == "--follow" {
			following = true
		} else {
			words = append(words, word)
		}
	}
	hosts, root := "localhost:2181", "/redis"
	if len(words) > 0 {
		hosts = words[0]
	}
	if len(words) > 1 {
		root = words[1]
	}

	conn, root, err := connect(hosts, root)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	found, _, err := master(conn, root)
	if err != nil {
		log.Fatal(err)
	}
	show(found)
	registered, err := sentinels(conn, root)
	if err != nil {
		log.Fatal(err)
	}
	for _, sentinel := range registered {
		fmt.Println("sentinel " + sentinel)
	}
	if following {
		follow(conn, root, found)
	}
}
