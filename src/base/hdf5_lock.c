/* A mutex of its own below both folders that need it: neither of them includes the other. */
#include "base/hdf5_lock.h"

#include <pthread.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

void hdf5_lock_take(void)
{
    pthread_mutex_lock(&mutex);
}

void hdf5_lock_release(void)
{
    pthread_mutex_unlock(&mutex);
}
