"""The page for operators, `/admin` of the service and of `sojourn admin`; and what it says as the command line does."""
