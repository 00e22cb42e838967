/* Shifts the wall clock of a program by what a file holds: 8 bytes, nanoseconds. Its other clocks stay as they are.
 *
 * Loaded in front of the C library (LD_PRELOAD). The file is mapped, so that a jump is there at once and whole. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const int64_t BILLION = 1000000000;
static const volatile int64_t *shift;

__attribute__((constructor)) static void find_shift(void) {
  const char *path = getenv("GOFER_WALL_SHIFT");
  int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0) return;
  void *place = mmap(NULL, sizeof *shift, PROT_READ, MAP_SHARED, file, 0);
  if (place != MAP_FAILED) shift = place;
  close(file);
}

int clock_gettime(clockid_t which, struct timespec *at) {
  int failed = (int)syscall(SYS_clock_gettime, which, at);
  if (failed || !shift || (which != CLOCK_REALTIME && which != CLOCK_REALTIME_COARSE)) return failed;
  int64_t all = at->tv_sec * BILLION + at->tv_nsec + *shift;
  at->tv_sec = all / BILLION;
  at->tv_nsec = all % BILLION;
  if (at->tv_nsec < 0) {
    at->tv_nsec += BILLION;
    at->tv_sec -= 1;
  }
  return 0;
}

int gettimeofday(struct timeval *at, void *zone) {
  (void)zone;
  struct timespec fine;
  int failed = clock_gettime(CLOCK_REALTIME, &fine);
  at->tv_sec = fine.tv_sec;
  at->tv_usec = fine.tv_nsec / 1000;
  return failed;
}

time_t time(time_t *into) {
  struct timespec fine;
  clock_gettime(CLOCK_REALTIME, &fine);
  if (into) *into = fine.tv_sec;
  return fine.tv_sec;
}
