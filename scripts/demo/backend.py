"""A backend of the demo: answers HTTP and UDP with its own name.

usage: backend.py NAME HTTP-PORT UDP-PORT ADDRESS...

Listens on each address, prints one line when it does, and goes on until it is killed. Only
modules of python3-minimal are used.
"""

import selectors
import socket
import sys


def listening(kind, address, port):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, kind)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((address, port))
    if kind == socket.SOCK_STREAM:
        sock.listen(512)
    return sock


def answer_http(listener, name):
    """One request, one response, and the connection is closed."""
    connection, _ = listener.accept()
    with connection:
        connection.settimeout(5)
        request = b""
        while b"\r\n\r\n" not in request:
            part = connection.recv(4096)
            if not part:
                return
            request += part
        body = name + b"\n"
        head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
        connection.sendall(head % len(body) + body)


def answer_udp(sock, name):
    datagram, sender = sock.recvfrom(2048)
    sock.sendto(name + b" " + datagram, sender)


def main():
    name = sys.argv[1].encode()
    http_port, udp_port = int(sys.argv[2]), int(sys.argv[3])
    selector = selectors.DefaultSelector()
    for address in sys.argv[4:]:
        stream = listening(socket.SOCK_STREAM, address, http_port)
        datagram = listening(socket.SOCK_DGRAM, address, udp_port)
        selector.register(stream, selectors.EVENT_READ, answer_http)
        selector.register(datagram, selectors.EVENT_READ, answer_udp)
    print("listening", flush=True)
    while True:
        for key, _ in selector.select():
            try:
                key.data(key.fileobj, name)
            except OSError as error:
                print(error, file=sys.stderr, flush=True)


main()
