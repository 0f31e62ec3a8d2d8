/*
 * Dirties a guest's memory at a known rate and stamps what it writes, so that an image of the guest proves by
 * itself whether it shows one instant.
 *
 * The buffer is half of the guest's memory, where nothing else is said. In sweep g, pages 0, 1, 2, ... of the buffer are stamped with
 * generation g, strictly in this order, then sweep g + 1 begins. At every instant the buffer therefore looks like
 *
 *     page     0 ........ k-1 | k | k+1 ........ n-1
 *     generation     g        | * |       g - 1            * = page k may be half written
 *
 * Each page carries the same 40-byte stamp twice, in its first and in its last bytes, written front to back: a page
 * whose two stamps differ was being written. An image with more than two generations, with a boundary that is not
 * monotone, or with a half-written page anywhere but at the boundary was not taken at one instant. The layout of
 * the stamp is repeated in scripts/check-image.
 *
 * The rate counts dirtied pages: a stamped page is 4 KiB, although two cache lines of it are written, because
 * whole pages are what a hypervisor tracks and copies.
 *
 * Kernel command line: memdeck.dirty_mibps=N (MiB/s, 0: stamp once and stop), memdeck.buffer_mib=N (0: half of the
 * memory) and memdeck.name=NAME (for messages).
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <time.h>

enum { PAGE_BYTES = 4096, PAGES_PER_MIB = 256, REPORT_SECONDS = 5, READY_SECONDS = 2 };

struct stamp {
    uint64_t magic;
    uint64_t page;
    uint64_t page_count;
    uint64_t generation;
    uint64_t checksum;
};

/* Bytes "memdeck!" as they lie in memory. */
static const uint64_t MAGIC = 0x216b6365646d656dULL;

static uint64_t checksum_of(uint64_t page, uint64_t page_count, uint64_t generation) {
    return (MAGIC ^ (page << 1) ^ (page_count << 21) ^ (generation << 42)) * 0x9e3779b97f4a7c15ULL;
}

static double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Volatile stores stay in program order; x86 makes them visible in that order too. */
static void write_stamp(volatile struct stamp *at, const struct stamp *value) {
    at->magic = value->magic;
    at->page = value->page;
    at->page_count = value->page_count;
    at->generation = value->generation;
    at->checksum = value->checksum;
}

struct sweep {
    unsigned char *buffer;
    uint64_t page_count;
    uint64_t next_page;
    uint64_t generation;
};

static void dirty_pages(struct sweep *sweep, uint64_t pages) {
    for (; pages > 0; pages--) {
        unsigned char *page = sweep->buffer + sweep->next_page * PAGE_BYTES;
        const struct stamp value = {
            MAGIC, sweep->next_page, sweep->page_count, sweep->generation,
            checksum_of(sweep->next_page, sweep->page_count, sweep->generation),
        };
        write_stamp((volatile struct stamp *)page, &value);
        write_stamp((volatile struct stamp *)(page + PAGE_BYTES - sizeof(struct stamp)), &value);
        if (++sweep->next_page == sweep->page_count) {
            sweep->next_page = 0;
            sweep->generation++;
        }
    }
}

/* Dirties at the rate for some seconds and returns the rate reached, in MiB/s. */
static double dirty_for(struct sweep *sweep, double seconds, uint64_t rate_mibps) {
    /* Whoever has nothing to write is not woken for it: an idle guest is idle. */
    const struct timespec pause = rate_mibps == 0 ? (struct timespec){(time_t)seconds, 0} : (struct timespec){0, 5 * 1000 * 1000};
    const double start = seconds_now();
    double now = start;
    uint64_t written = 0;
    while (now - start < seconds) {
        const uint64_t due = (uint64_t)((now - start) * (double)(rate_mibps * PAGES_PER_MIB));
        uint64_t batch = due > written ? due - written : 0;
        /* A late wake-up must not become one long burst. */
        if (batch > rate_mibps * PAGES_PER_MIB / 10 + 1) {
            batch = rate_mibps * PAGES_PER_MIB / 10 + 1;
        }
        dirty_pages(sweep, batch);
        written += batch;
        nanosleep(&pause, NULL);
        now = seconds_now();
    }
    return (double)written / PAGES_PER_MIB / (now - start);
}

/* The value of `key=` on the kernel command line, or the fallback; cut at the next blank. */
static const char *kernel_parameter(const char *key, const char *fallback) {
    static char line[4096];
    FILE *file = fopen("/proc/cmdline", "r");
    if (file == NULL) {
        return fallback;
    }
    const char *read = fgets(line, sizeof line, file);
    fclose(file);
    char *value = read == NULL ? NULL : strstr(line, key);
    if (value == NULL) {
        return fallback;
    }
    value += strlen(key);
    value[strcspn(value, " \n")] = '\0';
    return value;
}

int main(void) {
    const uint64_t rate_mibps = strtoull(kernel_parameter("memdeck.dirty_mibps=", "0"), NULL, 10);
    char name[64];
    snprintf(name, sizeof name, "%s", kernel_parameter("memdeck.name=", "guest"));

    struct sysinfo memory;
    if (sysinfo(&memory) != 0) {
        perror("memdeck-guest: sysinfo");
        return 1;
    }
    const uint64_t buffer_mib = strtoull(kernel_parameter("memdeck.buffer_mib=", "0"), NULL, 10);
    const uint64_t half_of_memory = memory.totalram * memory.mem_unit / 2 / PAGE_BYTES;
    struct sweep sweep = {NULL, buffer_mib > 0 ? buffer_mib * PAGES_PER_MIB : half_of_memory, 0, 1};
    sweep.buffer = mmap(NULL, sweep.page_count * PAGE_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (sweep.buffer == MAP_FAILED) {
        perror("memdeck-guest: mmap");
        return 1;
    }
    /* A page that the kernel copies elsewhere would leave its old stamp behind in free memory. */
    if (madvise(sweep.buffer, sweep.page_count * PAGE_BYTES, MADV_NOHUGEPAGE) != 0 || mlockall(MCL_CURRENT) != 0) {
        perror("memdeck-guest: pinning the buffer");
        return 1;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);

    dirty_pages(&sweep, sweep.page_count);
    const double first = dirty_for(&sweep, READY_SECONDS, rate_mibps);
    printf("memdeck-guest: ready name=%s buffer_mib=%llu asked_mibps=%llu reached_mibps=%.1f\n", name,
           (unsigned long long)(sweep.page_count / PAGES_PER_MIB), (unsigned long long)rate_mibps, first);
    for (;;) {
        const double reached = dirty_for(&sweep, REPORT_SECONDS, rate_mibps);
        printf("memdeck-guest: dirty reached_mibps=%.1f generation=%llu\n", reached,
               (unsigned long long)sweep.generation);
    }
}
