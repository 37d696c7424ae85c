import { Empty } from "../../components/states";

export default function Admin() {
  return <Empty title="Admin" />;
}
