// SPDX-License-Identifier: GPL-2.0-only
/*
 * Layout blobs in files.
 *
 * Directories of the user: NAME.layout, where NAME is the build id in hex or
 * anything else; then the banner inside decides. The user vouches for them, so
 * they come before the guest's own BTF. They still have to agree with the
 * guest's symbol table.
 *
 * The cache: blobs made here from BTF, as BUILDID.layout. A guest chooses its
 * build id, its banner and its BTF. If a blob made from a hostile guest's BTF
 * served another guest that says it has the same kernel, we would edit that one
 * at wrong places. So a cached blob counts only for a guest whose input is the
 * same to the byte: behind the blob, the file holds all that it was made from
 * (BTF, symbol addresses, code), which is compared with the guest at hand. A
 * blob is a function of that input and nothing else; equal input would give the
 * same blob again. A file that does not compare, or is damaged, is as good as
 * none, and is written anew. Guests can make us write files, so there are
 * CACHE_FILES_MAX of them at most.
 */
#include "finder.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX		".layout"
#define TEMPORARY	".layout-"
#define BLOB_MAX	(128u << 10)
#define CACHE_FILES_MAX	16
#define CACHE_VERSION	1	/* change it when the same input gives other blobs */
#define DIR_ENTRIES_MAX	4096
#define COMPARE_CHUNK	(64u << 10)

/* What a cached blob was made from, in front of the addresses and the BTF. */
struct cache_input {
	u32 version;
	u32 facts_crc;		/* of the list of facts that we ask for */
	u32 nr_symbols;
	u32 code_len;
	u64 btf_len;
	u8 code[FINDER_CODE_LEN];
	char banner[MONARCH_BANNER_MAX];
};

static u32 facts_crc(void)
{
	static const char facts[] =
#define FIELD_TEXT(nr, name, strct, member)	#nr strct member
#define SIZE_TEXT(nr, name, strct)		#nr strct
#define SYMBOL_TEXT(nr, name, sym)		#nr sym
#define CONST_TEXT(nr, name)			#nr #name
		MONARCH_FIELDS(FIELD_TEXT) MONARCH_SIZES(SIZE_TEXT)
		MONARCH_SYMBOLS(SYMBOL_TEXT) MONARCH_CONSTS(CONST_TEXT);

	return gi_crc32(0, facts, sizeof(facts));
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
#define AUTO_CLOSE	__attribute__((__cleanup__(close_fd)))

static int open_regular(int dir, const char *name, off_t *ret_size)
{
	struct stat st;
	int fd;

	fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -ENOENT;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return -ENOENT;
	}
	*ret_size = st.st_size;
	return fd;
}

/* Read up to @len bytes. Return: how many, less than @len only at the end. */
static size_t read_full(int fd, void *buf, size_t len)
{
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = read(fd, (u8 *)buf + done, len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += n;
	}
	return done;
}

static bool write_full(int fd, const void *buf, size_t len)
{
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = write(fd, (const u8 *)buf + done, len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		done += n;
	}
	return true;
}

/* "BUILDID.layout". Return: false if the kernel has no build id. */
static bool name_by_build_id(const struct finder *finder,
			     char ret[2 * MONARCH_BUILD_ID_MAX + 16])
{
	u32 i;

	for (i = 0; i < finder->build_id_len; i++)
		sprintf(ret + 2 * i, "%02x", finder->build_id[i]);
	strcpy(ret + 2 * i, SUFFIX);
	return finder->build_id_len;
}

/* Read the whole of a small file and decode it. */
static int blob_load(const struct finder *finder, int dir, const char *dir_name,
		     const char *name, struct blob *ret)
{
	AUTO_CLOSE int fd = -1;
	struct blob blob;
	off_t size;
	void *data;
	int r;

	fd = open_regular(dir, name, &size);
	if (fd < 0 || size > BLOB_MAX)
		return -ENOENT;
	data = malloc(size + 1);
	if (!data)
		return -ENOMEM;
	r = blob_decode(finder, data, read_full(fd, data, size), &blob);
	if (r < 0)
		return r;
	if (asprintf(&blob.origin, "%s/%s", dir_name, name) < 0) {
		blob.origin = NULL;
		blob_deinit(&blob);
		return -ENOMEM;
	}
	*ret = blob;
	return 0;
}

static bool has_suffix(const char *name)
{
	size_t len = strlen(name);

	return len > strlen(SUFFIX) && name[0] != '.' &&
	       !strcmp(name + len - strlen(SUFFIX), SUFFIX);
}

static bool banner_is(const struct finder *finder, int dir, const char *name)
{
	struct monarch_layout header;
	AUTO_CLOSE int fd = -1;
	off_t size;

	fd = open_regular(dir, name, &size);
	return fd >= 0 &&
	       read_full(fd, &header, sizeof(header)) == sizeof(header) &&
	       header.magic == MONARCH_LAYOUT_MAGIC &&
	       !header.banner[MONARCH_BANNER_MAX - 1] && header.banner[0] &&
	       !strcmp(header.banner, finder->banner);
}

static int blob_by_banner(const struct finder *finder, DIR *dir,
			  const char *dir_name, struct blob *ret)
{
	const struct dirent *entry;
	int r = -ENOENT;
	u32 i;

	for (i = 0; i < DIR_ENTRIES_MAX && (entry = readdir(dir)); i++) {
		if (!has_suffix(entry->d_name) ||
		    !banner_is(finder, dirfd(dir), entry->d_name))
			continue;
		r = blob_load(finder, dirfd(dir), dir_name, entry->d_name, ret);
		if (!r || r == -ENOMEM)
			return r;
	}
	return -ENOENT;
}

int blob_store_user(const struct finder *finder, struct blob *ret)
{
	const char *const *name = finder->options->blob_dirs;
	char file[2 * MONARCH_BUILD_ID_MAX + 16];
	bool by_id = name_by_build_id(finder, file);
	int r = -ENOENT;

	for (; name && *name && r < 0 && r != -ENOMEM; name++) {
		DIR *dir = opendir(*name);

		if (!dir)
			continue;
		if (by_id)
			r = blob_load(finder, dirfd(dir), *name, file, ret);
		if (r < 0 && r != -ENOMEM)
			r = blob_by_banner(finder, dir, *name, ret);
		closedir(dir);
	}
	return r == -EUCLEAN ? -ENOENT : r;
}

static void input_fill(const struct finder *finder, struct cache_input *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->version = CACHE_VERSION;
	ret->facts_crc = facts_crc();
	ret->nr_symbols = finder->nr_layout;
	ret->code_len = finder->code_len;
	ret->btf_len = finder->btf_len;
	memcpy(ret->code, finder->code, finder->code_len);
	memcpy(ret->banner, finder->banner, sizeof(ret->banner));
}

/* Whether the next @len bytes of the file are @data. */
static bool file_equals(int fd, const void *data, size_t len)
{
	u8 chunk[COMPARE_CHUNK];
	size_t done, part;

	for (done = 0; done < len; done += part) {
		part = min(len - done, sizeof(chunk));
		if (read_full(fd, chunk, part) != part ||
		    memcmp(chunk, (const u8 *)data + done, part))
			return false;
	}
	return true;
}

static bool input_equals(const struct finder *finder, int fd)
{
	struct cache_input input;
	u32 i;

	input_fill(finder, &input);
	if (!file_equals(fd, &input, sizeof(input)))
		return false;
	for (i = 0; i < finder->nr_layout; i++)
		if (!file_equals(fd, &finder->symbols[i].address, sizeof(u64)))
			return false;
	return file_equals(fd, finder->btf, finder->btf_len);
}

/* The blob at the start of a cache file, malloc'ed. */
static int cached_blob_read(int fd, void **ret, size_t *ret_len)
{
	struct monarch_layout header;
	u8 *data;

	if (read_full(fd, &header, sizeof(header)) != sizeof(header) ||
	    header.magic != MONARCH_LAYOUT_MAGIC ||
	    header.total_size < sizeof(header) || header.total_size > BLOB_MAX)
		return -ENOENT;
	data = malloc(header.total_size);
	if (!data)
		return -ENOMEM;
	memcpy(data, &header, sizeof(header));
	*ret_len = header.total_size - sizeof(header);
	if (read_full(fd, data + sizeof(header), *ret_len) != *ret_len) {
		free(data);
		return -ENOENT;
	}
	*ret = data;
	*ret_len = header.total_size;
	return 0;
}

static int cached_load(const struct finder *finder, const char *path,
		       struct blob *ret)
{
	AUTO_CLOSE int fd = -1;
	off_t size;
	void *data;
	size_t len;
	int r;

	fd = open_regular(AT_FDCWD, path, &size);
	if (fd < 0)
		return -ENOENT;
	r = cached_blob_read(fd, &data, &len);
	if (r < 0)
		return r;
	if (!input_equals(finder, fd)) {
		free(data);
		return -ENOENT;
	}
	r = blob_decode(finder, data, len, ret);
	/* The oldest is the one to go. */
	if (!r && futimens(fd, NULL) < 0)
		return 0;
	return r;
}

int blob_store_cached(const struct finder *finder, struct blob *ret)
{
	const char *dir = finder->options->cache_dir;
	char name[2 * MONARCH_BUILD_ID_MAX + 16];
	struct blob blob;
	char *path;
	int r;

	if (!dir || !finder->btf || !name_by_build_id(finder, name))
		return -ENOENT;
	if (asprintf(&path, "%s/%s", dir, name) < 0)
		return -ENOMEM;
	r = cached_load(finder, path, &blob);
	if (r < 0) {
		free(path);
		return r == -ENOMEM ? r : -ENOENT;
	}
	blob.origin = path;
	*ret = blob;
	return 0;
}

static bool is_ours(const char *name)
{
	return has_suffix(name) ||
	       !strncmp(name, TEMPORARY, strlen(TEMPORARY));
}

/* Make room: delete the file of ours that was used longest ago, if many. */
static void cache_trim(const char *path)
{
	const struct dirent *entry;
	struct timespec oldest = { 0 };
	DIR *dir = opendir(path);
	char victim[256] = "";
	u32 nr = 0, i;

	if (!dir)
		return;
	for (i = 0; i < DIR_ENTRIES_MAX && (entry = readdir(dir)); i++) {
		struct stat st;

		if (!is_ours(entry->d_name) ||
		    fstatat(dirfd(dir), entry->d_name, &st,
			    AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
			continue;
		if (!nr++ || st.st_mtim.tv_sec < oldest.tv_sec ||
		    (st.st_mtim.tv_sec == oldest.tv_sec &&
		     st.st_mtim.tv_nsec < oldest.tv_nsec)) {
			oldest = st.st_mtim;
			snprintf(victim, sizeof(victim), "%s", entry->d_name);
		}
	}
	if (nr >= CACHE_FILES_MAX)
		unlinkat(dirfd(dir), victim, 0);
	closedir(dir);
}

static bool cache_write(const struct finder *finder, const struct blob *blob,
			int fd)
{
	struct cache_input input;
	bool ok;
	u32 i;

	input_fill(finder, &input);
	ok = write_full(fd, blob->data, blob->len) &&
	     write_full(fd, &input, sizeof(input));
	for (i = 0; ok && i < finder->nr_layout; i++)
		ok = write_full(fd, &finder->symbols[i].address, sizeof(u64));
	return ok && write_full(fd, finder->btf, finder->btf_len);
}

/* A reader sees the old file or the new one, never half a file. */
static void cache_replace(const struct finder *finder, const struct blob *blob,
			  char *temporary, const char *path)
{
	int fd = mkostemp(temporary, O_CLOEXEC);	/* mode 0600 */
	bool ok;

	if (fd < 0)
		return;
	ok = cache_write(finder, blob, fd);
	if (close(fd) < 0)
		ok = false;
	if (!ok || rename(temporary, path) < 0)
		unlink(temporary);
}

void blob_store_save(const struct finder *finder, const struct blob *blob)
{
	const char *dir = finder->options->cache_dir;
	char name[2 * MONARCH_BUILD_ID_MAX + 16];
	char *path = NULL, *temporary = NULL;

	if (!dir || !finder->btf || !name_by_build_id(finder, name))
		return;
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return;
	cache_trim(dir);
	if (asprintf(&path, "%s/%s", dir, name) < 0)
		return;
	if (asprintf(&temporary, "%s/" TEMPORARY "XXXXXX", dir) >= 0) {
		cache_replace(finder, blob, temporary, path);
		free(temporary);
	}
	free(path);
}
