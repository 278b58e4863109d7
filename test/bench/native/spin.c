/* spin: keeps every core from halting with a loop of the lowest priority there is (SCHED_IDLE), until it is killed. */
#include "common.h"
#include <pthread.h>
#include <sched.h>

static void *spin(void *what) {
  cpu_set_t one;
  struct sched_param none = {0};
  CPU_ZERO(&one);
  CPU_SET((long)what, &one);
  if (sched_setaffinity(0, sizeof one, &one) || sched_setscheduler(0, SCHED_IDLE, &none)) exit(fail("sched"));
  if ((long)what == 0) printf("{\"ready\":1}\n");
  for (;;) __asm__ volatile("" ::: "memory");
}

int main(void) {
  end_with_parent();
  pthread_t thread;
  for (long i = 1; i < sysconf(_SC_NPROCESSORS_ONLN); i++) pthread_create(&thread, NULL, spin, (void *)i);
  spin((void *)0L);
}
