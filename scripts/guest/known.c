/*
 * A program with things to be found in its memory: a TCP socket that listens, both ends of a connection, a UDP socket, an open
 * file, and a text. It says on /opened when they are there, and then waits for ever.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TCP_PORT = 4711, UDP_PORT = 5353, PAGE_BYTES = 4096, PAGES = 16 };

static void need(int holds, const char *what) {
    if (!holds) {
        perror(what);
        exit(1);
    }
}

static int bound(int kind, unsigned short port) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int socket_fd = socket(AF_INET, kind, 0);
    need(socket_fd >= 0 && bind(socket_fd, (struct sockaddr *)&at, sizeof at) == 0, "cannot bind a socket");
    return socket_fd;
}

int main(void) {
    struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons(TCP_PORT), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listening = bound(SOCK_STREAM, TCP_PORT);
    need(listen(listening, 1) == 0, "cannot listen");
    int client = socket(AF_INET, SOCK_STREAM, 0);
    need(client >= 0 && connect(client, (struct sockaddr *)&there, sizeof there) == 0, "cannot connect");
    need(accept(listening, NULL, NULL) >= 0, "cannot accept");
    bound(SOCK_DGRAM, UDP_PORT);
    need(open("/init", O_RDONLY) >= 0, "cannot open a file");

    /* Put together here, so that the text is in this process's own pages and not in its file's. */
    char *pages = mmap(NULL, PAGES * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    need(pages != MAP_FAILED && mlock(pages, PAGES * PAGE_BYTES) == 0, "cannot take memory");
    for (int page = 0; page < PAGES; page++) {
        snprintf(pages + page * PAGE_BYTES + 64, 64, "%s-%s-%d", "kept", "by-known", page);
    }

    int opened = open("/opened", O_WRONLY);
    need(opened >= 0 && write(opened, "opened\n", 7) == 7, "cannot say that all is there");
    close(opened);
    for (;;) pause();
}
