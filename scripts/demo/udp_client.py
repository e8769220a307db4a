"""Sends datagrams to one address, each from a socket of its own.

usage: udp_client.py ADDRESS PORT COUNT connect|sendto

Prints one line for each: the name that answered, and the address and port the answer came from as
the application sees it. With `connect` the socket is connected first and asked for its peer
(getpeername); with `sendto` it is not, and recvfrom says who sent the answer.
"""

import socket
import sys


def exchange(address, port, text, connected):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        if connected:
            sock.connect((address, port))
            sock.send(text)
            answer = sock.recv(2048)
            peer = sock.getpeername()
        else:
            sock.sendto(text, (address, port))
            answer, peer = sock.recvfrom(2048)
    name, _, echo = answer.partition(b" ")
    if echo != text:
        raise OSError("the answer %r does not belong to %r" % (answer, text))
    return name.decode(), peer[0], peer[1]


def main():
    address, port, count, way = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    for i in range(count):
        try:
            name, host, number = exchange(address, port, b"%d" % i, way == "connect")
        except OSError as error:
            sys.exit("datagram %d to %s port %d: %s" % (i, address, port, error))
        print(name, host, number)


main()
