// Linked into every command, whatever crate it comes from: where it starts, and how it allocates for the
// component adapter. Declares what it needs itself, so that it compiles without any libc's headers.

typedef __SIZE_TYPE__ size_t;

void *malloc(size_t);
void *realloc(void *, size_t);
void *memcpy(void *, const void *, size_t);
int posix_memalign(void **, size_t, size_t);
char *getenv(const char *);
int chdir(const char *);
size_t strlen(const char *);
int strcmp(const char *, const char *);
long write(int, const void *, size_t);
_Noreturn void _Exit(int);

// The adapter puts its stack and state where this says. Without it, it grows memory by itself, into what an
// older libc's malloc believes to be its own heap.
__attribute__((export_name("cabi_realloc")))
void *cabi_realloc(void *old, size_t old_size, size_t align, size_t new_size)
{
	void *new = 0;
	if (new_size == 0)
		return (void *)align;
	if (align <= _Alignof(long double))
		new = old ? realloc(old, new_size) : malloc(new_size);
	else if (posix_memalign(&new, align, new_size) == 0 && old)
		memcpy(new, old, old_size < new_size ? old_size : new_size);
	if (!new)
		__builtin_trap();
	return new;
}

static void say(const char *text)
{
	write(2, text, strlen(text));
}

// WASI has no working directory; the host says in PWD where the command is to start.
__attribute__((constructor))
static void enter_working_directory(void)
{
	const char *directory = getenv("PWD");
	if (!directory || strcmp(directory, "/") == 0 || chdir(directory) == 0)
		return;
	say("cannot start in ");
	say(directory);
	say(": no such directory\n");
	_Exit(126);
}
