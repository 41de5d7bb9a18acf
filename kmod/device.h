/* SPDX-License-Identifier: GPL-2.0-only */
/* The device, /dev/monarch. */
#ifndef MONARCH_DEVICE_H
#define MONARCH_DEVICE_H

int __must_check device_init(void);
void device_exit(void);

#endif /* MONARCH_DEVICE_H */
