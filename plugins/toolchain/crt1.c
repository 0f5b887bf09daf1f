// Where a command starts, in place of Debian's crt1-command.o.
//
// That one leaves constructors to the linker, which then wraps every export in a call of them all: cabi_realloc
// too, which the adapter calls before it is ready to tell of the environment. Here they are called once.

void __wasm_call_ctors(void);
void __wasm_call_dtors(void);
int __original_main(void);
_Noreturn void exit(int);

__attribute__((export_name("_start")))
void _start(void)
{
	__wasm_call_ctors();
	int code = __original_main();
	if (code != 0)
		exit(code);
	__wasm_call_dtors();
}
