/* SPDX-License-Identifier: BSD-2-Clause */
/* A FastCGI application on libfcgi: says what it was asked, as an independent opinion. */

/*
 * fcgi_app PATH [PROCESSES]
 *
 * Answers each request with its params, one NAME=VALUE a line in the order they came, an
 * empty line and "body N" with the number of bytes of STDIN that came. With the param
 * APP_STATUS that number becomes the exit status in END_REQUEST, with APP_STDERR its text
 * is written to STDERR. "listening PATH" on stdout says that connects succeed.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fcgiapp.h>

static const char *app_path;

/* The other processes follow by PR_SET_PDEATHSIG. */
static void app_on_signal(int signal)
{
	(void) signal;
	unlink(app_path);
	_exit(0);
}

static unsigned long long app_count_body(FCGX_Request *request)
{
	unsigned long long n_bytes = 0;
	char data[65536];
	int n;

	while ((n = FCGX_GetStr(data, sizeof(data), request->in)) > 0)
		n_bytes += (unsigned int) n;
	return n_bytes;
}

static void app_answer(FCGX_Request *request)
{
	const char *status = FCGX_GetParam("APP_STATUS", request->envp);
	const char *text = FCGX_GetParam("APP_STDERR", request->envp);
	unsigned long long n_body = app_count_body(request);

	if (text)
		FCGX_FPrintF(request->err, "%s", text);
	FCGX_FPrintF(request->out, "Content-Type: text/plain\r\n\r\n");
	for (char **param = request->envp; *param; param++) {
		FCGX_PutS(*param, request->out);
		FCGX_PutChar('\n', request->out);
	}
	FCGX_FPrintF(request->out, "\nbody %llu\n", n_body);
	if (status)
		FCGX_SetExitStatus(atoi(status), request->out);
	FCGX_Finish_r(request);
}

static void app_serve(int fd)
{
	FCGX_Request request;

	if (FCGX_InitRequest(&request, fd, 0) != 0)
		exit(71);
	while (FCGX_Accept_r(&request) == 0)
		app_answer(&request);
	exit(0);
}

int main(int argc, char **argv)
{
	int n_processes = argc > 2 ? atoi(argv[2]) : 1, fd;

	if (argc < 2 || n_processes < 1 || FCGX_Init() != 0) {
		fprintf(stderr, "fcgi_app: needed: PATH [PROCESSES]\n");
		return 64;
	}
	app_path = argv[1];
	unlink(app_path);
	fd = FCGX_OpenSocket(app_path, 128);
	if (fd < 0)
		return 71;
	chmod(app_path, 0666);
	printf("listening %s\n", app_path);
	fflush(stdout);
	for (int i = 0; i < n_processes; i++) {
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			app_serve(fd);
		}
	}
	signal(SIGTERM, app_on_signal);
	signal(SIGINT, app_on_signal);
	while (wait(NULL) > 0)
		;
	unlink(app_path);
	return 0;
}
