"""The methods that change something, by the kind of object: VMs, hosts, folders and so on.

Each file has a class that an entity of that kind derives from. A method returns its result,
raises SoapFault, or returns what its task waits for; what is not modelled has no method.
"""
