/* A shared object that is no module. */
int tidegate_test_nothing(void);

int
tidegate_test_nothing(void)
{
	return 0;
}
