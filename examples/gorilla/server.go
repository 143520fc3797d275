// Tells everybody what one says, and who said it.
package main

import (
	"fmt"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync"

	"github.com/gorilla/websocket"
)

var (
	// Without a CheckOrigin of its own it compares Origin with Host.
	upgrader  websocket.Upgrader
	lock      sync.Mutex
	everybody = map[*websocket.Conn]bool{}
)

func tell(text string) {
	lock.Lock()
	defer lock.Unlock()
	for socket := range everybody {
		socket.WriteMessage(websocket.TextMessage, []byte(text))
	}
}

func talk(w http.ResponseWriter, r *http.Request) {
	user, err := url.PathUnescape(r.Header.Get("Portcullis-Subject"))
	if err != nil || user == "" {
		http.Error(w, "no user", http.StatusForbidden)
		return
	}
	socket, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	lock.Lock()
	everybody[socket] = true
	lock.Unlock()
	defer func() {
		lock.Lock()
		delete(everybody, socket)
		lock.Unlock()
		socket.Close()
	}()
	for {
		_, text, err := socket.ReadMessage()
		if err != nil {
			return
		}
		tell(user + ": " + string(text))
	}
}

func main() {
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening on port", listener.Addr().(*net.TCPAddr).Port)
	log.Fatal(http.Serve(listener, http.HandlerFunc(talk)))
}
