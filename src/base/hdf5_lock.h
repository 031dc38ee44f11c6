/* The one mutex around libhdf5, which keeps process-wide state that a sequence of its calls must have to
 * itself.
 *
 * src/store holds it while it makes or reads an image; src/data holds it while it forks, so that a child
 * never starts with that state half changed. */
#ifndef RUNNER_BASE_HDF5_LOCK_H
#define RUNNER_BASE_HDF5_LOCK_H

void hdf5_lock_take(void);
void hdf5_lock_release(void);

#endif
